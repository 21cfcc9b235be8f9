// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <sys/resource.h>
#include <time.h>

double clock_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void clock_date(char text[CLOCK_TEXT])
{
    const time_t now = time(NULL);
    struct tm utc;
    text[0] = '\0';
    if (gmtime_r(&now, &utc) != NULL) {
        strftime(text, CLOCK_TEXT, "%Y-%m-%dT%H:%M:%SZ", &utc);
    }
}

double clock_peak_memory(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss * 1024.0;
}
