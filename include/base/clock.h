// SPDX-License-Identifier: Apache-2.0
/** Wall-clock time and memory of this process. Local. */
#ifndef MOE_BASE_CLOCK_H
#define MOE_BASE_CLOCK_H

/** Seconds from an arbitrary start, never going back. */
double clock_now(void);

enum { CLOCK_TEXT = 32 };

/** "2026-11-22T05:55:00Z" */
void clock_date(char text[CLOCK_TEXT]);

/** Largest resident memory of this process so far, in bytes. */
double clock_peak_memory(void);

#endif
