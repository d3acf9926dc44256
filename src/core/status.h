/* status.h - how every fallible function in this project reports failure.
 *
 * A function that can fail returns nl_status and leaves a one-line message in
 * a thread-local slot. NL_OK never touches the slot, so the message describes
 * the last failure on this thread. Worker threads copy it into their result
 * before they exit; it never crosses threads by itself.
 */
#ifndef NL_STATUS_H
#define NL_STATUS_H

typedef enum {
    NL_OK = 0,
    NL_EINVAL, /* caller broke a documented precondition */
    NL_EUSAGE, /* the command line or the configuration asks for something impossible */
    NL_ESHAPE, /* tensor shapes do not fit together */
    NL_ENOMEM, /* host or device allocation failed */
    NL_ENOSUP, /* this backend has no kernel for the request */
    NL_EIO,    /* file, stream or decoder failure */
    NL_EDEV,   /* device library (cuBLAS, cuDNN, CUDA) failure */
    NL_EINTR,  /* the user asked to stop */
} nl_status;

#if defined(__GNUC__)
#define NL_MUST_CHECK         __attribute__((warn_unused_result))
#define NL_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#else
#define NL_MUST_CHECK
#define NL_PRINTF(fmt, first)
#endif

/* Records a message and returns `code`, so that `return nl_fail(...)` reads well.
 * The message may quote nl_error() itself: it is formatted before it is stored. */
nl_status nl_fail(nl_status code, const char *fmt, ...) NL_PRINTF(2, 3);

/* Message of the last failure on this thread; "" if none. Owned by the library. */
const char *nl_error(void);

/* Short stable name of a code, e.g. "ESHAPE". Never NULL. */
const char *nl_status_name(nl_status code);

/* The only three control-flow macros of the project. */
#define NL_TRY(expr)                                                                               \
    do {                                                                                           \
        nl_status nl_try_ = (expr);                                                                \
        if (nl_try_ != NL_OK) return nl_try_;                                                      \
    } while (0)

#define NL_TRY_GOTO(status, expr, label)                                                           \
    do {                                                                                           \
        (status) = (expr);                                                                         \
        if ((status) != NL_OK) goto label;                                                         \
    } while (0)

#define NL_REQUIRE(cond, code, ...)                                                                \
    do {                                                                                           \
        if (!(cond)) return nl_fail((code), __VA_ARGS__);                                          \
    } while (0)

/* Number of elements of an array (not of a pointer). */
#define NL_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
