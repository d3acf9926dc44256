/* plugin.h - backends, blocks and models from shared objects outside of this project.
 *
 * A plug-in is a shared object linked to libnonlocal that exports one descriptor:
 *
 *     NL_PLUGIN_EXPORT const struct nl_plugin nl_plugin = {.abi = NL_PLUGIN_ABI,
 *                                                          .size = sizeof(struct nl_plugin),
 *                                                          .name = "mine",
 *                                                          .blocks = blocks};
 *
 * NL_PLUGIN_PATH names files and folders, separated by colons; of a folder, every *.so is loaded.
 * What a plug-in adds is used by its name, like what is built in.
 */
#ifndef NL_PLUGIN_H
#define NL_PLUGIN_H

#include "blocks/block.h"
#include "models/model.h"
#include "src/tensor/backend.h"

/* Grows with every change of struct nl_plugin and of what its lists point to. */
enum { NL_PLUGIN_ABI = 5 };

#if defined(__GNUC__)
#define NL_PLUGIN_EXPORT __attribute__((visibility("default")))
#else
#define NL_PLUGIN_EXPORT
#endif

/* The lists are NULL-terminated or NULL. abi and size stay first in every version. */
struct nl_plugin {
    uint32_t abi;     /* NL_PLUGIN_ABI that it was built with */
    uint32_t size;    /* sizeof(struct nl_plugin) that it was built with */
    const char *name; /* printed by `nonlocal info` */
    const struct nl_backend_ops *const *backends;
    const struct nl_block *const *blocks;
    const struct nl_model_kind *const *models;
};

/* The symbol that every plug-in exports. */
extern const struct nl_plugin nl_plugin;

/* Loads and registers every plug-in of the list ("" or NULL: none), for as long as the process
 * lives. One that is loaded already is passed over. NL_EIO for what cannot be read or loaded,
 * NL_EINVAL for another version or a name that is taken. */
nl_status nl_plugins_load(const char *path_list) NL_MUST_CHECK;

/* nl_plugins_load of the environment variable NL_PLUGIN_PATH. */
nl_status nl_plugins_load_env(void) NL_MUST_CHECK;

/* The i-th loaded plug-in, and the file it came from (NULL: not wanted); NULL past the end. */
const struct nl_plugin *nl_plugin_at(int i, const char **path);

#endif
