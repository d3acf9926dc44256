/* Plug-ins that are refused. Built several times, each time with one of these changed. */
#include "src/app/plugin.h"

#ifndef ODD_ABI
#define ODD_ABI NL_PLUGIN_ABI
#endif
#ifndef ODD_SIZE
#define ODD_SIZE sizeof(struct nl_plugin)
#endif
#ifndef ODD_SYMBOL
#define ODD_SYMBOL nl_plugin
#endif

/* A name that the project has itself. */
static const struct nl_backend_ops taken = {.name = "ref", .memory = &nl_host_memory};
static const struct nl_backend_ops *const backends[] = {&taken, NULL};

extern const struct nl_plugin ODD_SYMBOL;
NL_PLUGIN_EXPORT const struct nl_plugin ODD_SYMBOL = {
    .abi = ODD_ABI, .size = ODD_SIZE, .name = "odd", .backends = backends};
