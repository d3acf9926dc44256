/* device.h - the backend of a run: which one, whether it computes what was asked for, and whether
 * it has the implementations that were. */
#ifndef NL_DEVICE_H
#define NL_DEVICE_H

#include "src/app/command.h"
#include "src/graph/graph.h"

/* Opens the backend that --backend, MODEL.backend and use_gpu ask for. With --precision=f64 "auto"
 * is the first that multiplies F64 itself; NL_EUSAGE for one by name that does not. Warns of
 * emulated BF16. */
nl_status nl_open_backend(const struct nl_run *run, struct nl_backend *be) NL_MUST_CHECK;

/* NL_EUSAGE where a non-local block asks for an implementation (NONLOCAL.impl) that cannot serve
 * it, with those that can. `g` as its builder made it. */
nl_status nl_check_impls(const struct nl_graph *g, const struct nl_backend *be) NL_MUST_CHECK;

#endif
