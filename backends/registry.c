#include "src/tensor/backend.h"

#define NL_BACKEND(id) extern const struct nl_backend_ops nl_backend_##id;
#include "backends/backends.def"
#undef NL_BACKEND

const struct nl_backend_ops *const nl_backends[] = {
#define NL_BACKEND(id) &nl_backend_##id,
#include "backends/backends.def"
#undef NL_BACKEND
    NULL,
};
