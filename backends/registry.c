#include "src/tensor/backend.h"

#include "autoconf.h"

#define NL_BACKEND(id) extern const struct nl_backend_ops nl_backend_##id;
#define NL_BACKEND_ABSENT(id, remedy)
#include "backends/backends.def"
#undef NL_BACKEND
#undef NL_BACKEND_ABSENT

const struct nl_backend_ops *const nl_backends[] = {
#define NL_BACKEND(id) &nl_backend_##id,
#define NL_BACKEND_ABSENT(id, remedy)
#include "backends/backends.def"
#undef NL_BACKEND
#undef NL_BACKEND_ABSENT
    NULL,
};

const struct nl_backend_absent nl_backends_absent[] = {
#define NL_BACKEND(id)
#define NL_BACKEND_ABSENT(id, remedy) {#id, remedy},
#include "backends/backends.def"
#undef NL_BACKEND
#undef NL_BACKEND_ABSENT
    {NULL, NULL},
};
