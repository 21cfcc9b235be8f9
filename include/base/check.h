// SPDX-License-Identifier: Apache-2.0
/** Three grades of error: our bug, the environment, and what a user can mend.
 *
 *   ASSERT(cond)              our bug; compiled in with MOE_ASSERTS; message, all ranks stop
 *   CHECK(cond, fmt, ...)     environment (memory, disk, a library); always on; message, all ranks stop, exit code 1
 *   Status                    expected: a missing file, a bad line, a bad option; returned, must be used
 *
 * A Status travels up to the program, where all ranks agree on it (comm_agree) before they branch; one rank prints
 * its one line, and all leave with its code.
 */
#ifndef MOE_BASE_CHECK_H
#define MOE_BASE_CHECK_H

#if defined(__GNUC__)
#define MUST_USE          __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define NO_RETURN         __attribute__((noreturn))
#else
#define MUST_USE
#define PRINTF_LIKE(f, a)
#define NO_RETURN
#endif

/** Exit codes of every program. */
enum {
    CODE_OK = 0,       // done
    CODE_FAILED = 1,   // a bug, or the environment failed
    CODE_OPTION = 2,   // bad option
    CODE_INPUT = 3,    // bad input file
    CODE_STORED = 4,   // bad checkpoint or log
    CODE_STOPPED = 75  // stopped on request after saving
};

enum { STATUS_TEXT = 600 };

/** The outcome of what may fail for a reason that the user can mend; code CODE_OK: no text. */
typedef struct Status {
    int code;                // one of the CODE_ values
    char text[STATUS_TEXT];  // one line: where (file:line), what is wrong, what to do
} Status;

Status status_ok(void);

/** A failure with a printf-style line of text; a longer text is cut. Local. */
Status status_error(int code, const char *format, ...) PRINTF_LIKE(2, 3);

/** Return from the calling function (which returns Status) when the expression failed. */
#define TRY(expression)                                                                            \
    do {                                                                                           \
        Status try_status = (expression);                                                          \
        if (try_status.code != CODE_OK) {                                                          \
            return try_status;                                                                     \
        }                                                                                          \
    } while (0)

/** Print `file:line: text` on standard error and stop all ranks (through the handler below). Local. */
NO_RETURN void check_fail(const char *file, int line, const char *format, ...) PRINTF_LIKE(3, 4);

/** Called by check_fail() before and after the message, NULL for nothing: comm lets the lowest rank that fails speak first, and
 * stops all with MPI_Abort. Without a stop: exit(CODE_FAILED). */
void check_on_fail(void (*turn)(void), void (*stop)(int code));

#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            check_fail(__FILE__, __LINE__, __VA_ARGS__);                                           \
        }                                                                                          \
    } while (0)

#ifdef MOE_ASSERTS
#define ASSERT(condition) CHECK(condition, "internal error: %s is false", #condition)
#else
#define ASSERT(condition) ((void)sizeof(condition))
#endif

#endif
