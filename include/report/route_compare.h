// SPDX-License-Identifier: Apache-2.0
/** Two routing logs side by side, as text for people. Local. */
#ifndef MOE_REPORT_ROUTE_COMPARE_H
#define MOE_REPORT_ROUTE_COMPARE_H

#include "report/console.h"

/** Figures of both; when both have the same development tokens, also what one's first choices tell of the other's. */
void route_compare(const RouteData *a, const RouteData *b, ConsoleStyle style, FILE *out);

#endif
