// SPDX-License-Identifier: Apache-2.0
#include "base/profile.h"

#include "base/clock.h"

static Phase now = PHASE_OTHER;
static double since, seconds[PHASES];
static bool paused;

Phase profile_enter(Phase phase)
{
    const Phase before = now;
    const double time = clock_now();
    if (since > 0) {
        seconds[paused ? PHASE_OTHER : before] += time - since;
    }
    since = time;
    now = phase;
    return before;
}

void profile_pause(bool pause)
{
    profile_enter(now);
    paused = pause;
}

double profile_seconds(Phase phase)
{
    return seconds[phase];
}

const char *profile_name(Phase phase)
{
    static const char *name[PHASES] = {"other", "batch",    "bilstm",        "gate",
                                       "plan",  "dispatch", "exchange_wait", "experts",
                                       "crf",   "sums",     "optimiser"};
    return name[phase];
}
