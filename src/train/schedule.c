// SPDX-License-Identifier: Apache-2.0
#include "train/schedule.h"

double schedule_lr(const Schedule *schedule, int epoch, long step)
{
    double lr = schedule->lr / (1 + schedule->decay * epoch);
    return step < schedule->warmup ? lr * (double)(step + 1) / schedule->warmup : lr;
}
