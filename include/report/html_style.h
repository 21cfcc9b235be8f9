// SPDX-License-Identifier: Apache-2.0
/** The looks of a page: one style sheet for light and dark, wide and narrow, and a colour for every expert. Local. */
#ifndef MOE_REPORT_HTML_STYLE_H
#define MOE_REPORT_HTML_STYLE_H

#include <stdio.h>

/** Eight hues that people with any kind of colour vision tell apart, each in eight shades. Beyond 8 experts a colour alone does not name an
 * expert, so that its number always stands beside it; beyond 64 colours come again. */
enum { STYLE_HUES = 8, STYLE_COLOURS = 64, STYLE_LOOK = 8 };

/** The CSS class of an expert, "c12", which sets --c. */
const char *style_look(char look[STYLE_LOOK], int expert);

/** The element <style> for a page of n experts. */
void style_write(FILE *out, int n_experts);

#endif
