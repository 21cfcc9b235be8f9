// SPDX-License-Identifier: Apache-2.0
/** One expert, one label, or some words of a routing log, as text for people. Local. */
#ifndef MOE_REPORT_ROUTE_VIEWS_H
#define MOE_REPORT_ROUTE_VIEWS_H

#include "report/console.h"

/** Expert 0 .. E-1; label 0 .. L-1. */
void route_view_expert(const RouteData *data, int expert, ConsoleStyle style, FILE *out);
void route_view_label(const RouteData *data, int label, ConsoleStyle style, FILE *out);

/** Words, each with its experts and labels; those that the development corpus lacks are named. */
void route_view_words(const RouteData *data, const StringTable *words, ConsoleStyle style,
                      FILE *out);

#endif
