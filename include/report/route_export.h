// SPDX-License-Identifier: Apache-2.0
/** A routing log for machines: every row of training, every evaluation with its counts and information, experts with their labels
 * and words; not the single tokens, which stay in the log. Local. */
#ifndef MOE_REPORT_ROUTE_EXPORT_H
#define MOE_REPORT_ROUTE_EXPORT_H

#include <stdio.h>

#include "report/route_data.h"

/** One JSON object; what is no number is null. */
void route_json(const RouteData *data, FILE *out);

/** One value a line under the heading table,row,step,epoch,choice,class,expert,rank,measure,value; a column that means nothing for a
 * value is empty. */
void route_csv(const RouteData *data, FILE *out);

#endif
