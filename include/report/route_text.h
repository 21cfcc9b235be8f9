// SPDX-License-Identifier: Apache-2.0
/** A routing log as text for people. Local. */
#ifndef MOE_REPORT_ROUTE_TEXT_H
#define MOE_REPORT_ROUTE_TEXT_H

#include "report/console.h"

/** The whole report: load and drops over time, experts with their labels and words, information with its controls, how early routing
 * settles. */
void route_text(const RouteData *data, ConsoleStyle style, FILE *out);

#endif
