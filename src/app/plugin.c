#include "src/app/plugin.h"

#include "src/core/memory.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LOADED_MAX = 32 };

static struct {
    void *handle;
    const struct nl_plugin *plugin;
    char *path;
} loaded[LOADED_MAX];
static int n_loaded;

const struct nl_plugin *nl_plugin_at(int i, const char **path)
{
    if (i >= n_loaded) return NULL;
    if (path) *path = loaded[i].path;
    return loaded[i].plugin;
}

static bool is_loaded(const void *handle)
{
    for (int i = 0; i < n_loaded; i++)
        if (loaded[i].handle == handle) return true;
    return false;
}

static nl_status register_all(const struct nl_plugin *p)
{
    for (int i = 0; p->backends && p->backends[i]; i++) NL_TRY(nl_backend_register(p->backends[i]));
    for (int i = 0; p->blocks && p->blocks[i]; i++) NL_TRY(nl_block_register(p->blocks[i]));
    for (int i = 0; p->models && p->models[i]; i++) NL_TRY(nl_model_register(p->models[i]));
    return NL_OK;
}

/* Reads nothing behind abi and size unless both are ours. */
static nl_status check(const struct nl_plugin *p, const char *path)
{
    NL_REQUIRE(p, NL_EINVAL, "plug-in %s: exports no nl_plugin", path);
    NL_REQUIRE(p->abi == NL_PLUGIN_ABI, NL_EINVAL,
               "plug-in %s was built for version %u, this is %u; rebuild it", path, p->abi,
               (unsigned)NL_PLUGIN_ABI);
    NL_REQUIRE(p->size == sizeof *p, NL_EINVAL,
               "plug-in %s: its descriptor has %u bytes, want %zu; rebuild it", path, p->size,
               sizeof *p);
    NL_REQUIRE(p->name, NL_EINVAL, "plug-in %s: its descriptor has no name", path);
    NL_REQUIRE(n_loaded < LOADED_MAX, NL_EINVAL, "plug-in %s: there are %d already", path,
               n_loaded);
    return NL_OK;
}

/* From registration on the object must stay, so only what is refused before is closed. */
static nl_status load_file(const char *path)
{
    char slashed[NL_PATH_MAX + 2], *copy = NULL;
    nl_status st = NL_OK;
    snprintf(slashed, sizeof slashed, "%s%s", strchr(path, '/') ? "" : "./", path);
    void *handle = dlopen(slashed, RTLD_NOW | RTLD_LOCAL);
    NL_REQUIRE(handle, NL_EIO, "plug-in cannot be loaded: %s", dlerror());

    const struct nl_plugin *plugin = dlsym(handle, "nl_plugin");
    if (is_loaded(handle)) goto out;
    NL_TRY_GOTO(st, check(plugin, path), out);
    NL_TRY_GOTO(st, nl_copy_text(path, &copy), out);
    loaded[n_loaded].handle = handle;
    loaded[n_loaded].plugin = plugin;
    loaded[n_loaded++].path = copy;
    handle = NULL; /* kept */
    st = register_all(plugin);
    if (st != NL_OK) st = nl_fail(st, "plug-in %s: %s", path, nl_error());
out:
    if (handle) dlclose(handle);
    return st;
}

/* Names of one folder, sorted. */
struct names {
    char **list;
    size_t count;
};

static void free_names(struct names *names)
{
    for (size_t i = 0; i < names->count; i++) nl_free(names->list[i]);
    nl_free(names->list);
}

static nl_status add_name(struct names *names, const char *folder, const char *name)
{
    char path[NL_PATH_MAX];
    const size_t length = strlen(name);
    if (length < 4 || strcmp(name + length - 3, ".so") != 0) return NL_OK;
    const int need = snprintf(path, sizeof path, "%s/%s", folder, name);
    NL_REQUIRE(need < (int)sizeof path, NL_EIO, "plug-in %s/%s: the path is too long", folder,
               name);
    NL_TRY(nl_resize(&names->list, names->count + 1, sizeof *names->list));
    NL_TRY(nl_copy_text(path, &names->list[names->count]));
    names->count++;
    return NL_OK;
}

static int by_bytes(const void *a, const void *b)
{
    char *const *one = a, *const *two = b;
    return strcmp(*one, *two);
}

static nl_status load_folder(const char *folder)
{
    struct names names = {NULL, 0};
    nl_status st = NL_OK;
    DIR *dir = opendir(folder);
    NL_REQUIRE(dir, NL_EIO, "plug-in folder %s: %s", folder, strerror(errno));
    for (const struct dirent *entry = NULL; st == NL_OK && (entry = readdir(dir));)
        st = add_name(&names, folder, entry->d_name);
    closedir(dir);
    if (names.count > 1) qsort(names.list, names.count, sizeof *names.list, by_bytes);
    for (size_t i = 0; st == NL_OK && i < names.count; i++) st = load_file(names.list[i]);
    free_names(&names);
    return st;
}

static nl_status load_path(const char *path)
{
    struct stat info;
    NL_REQUIRE(stat(path, &info) == 0, NL_EIO, "plug-in %s: %s", path, strerror(errno));
    return S_ISDIR(info.st_mode) ? load_folder(path) : load_file(path);
}

nl_status nl_plugins_load(const char *path_list)
{
    char path[NL_PATH_MAX];
    for (const char *at = path_list; at && *at; at += strspn(at, ":")) {
        const size_t length = strcspn(at, ":");
        NL_REQUIRE(length < sizeof path, NL_EIO, "NL_PLUGIN_PATH: a path is too long");
        memcpy(path, at, length);
        path[length] = '\0';
        if (length) NL_TRY(load_path(path));
        at += length;
    }
    return NL_OK;
}

nl_status nl_plugins_load_env(void)
{
    return nl_plugins_load(getenv("NL_PLUGIN_PATH"));
}
