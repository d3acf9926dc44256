#include "src/app/room.h"

#include "src/tensor/backend.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PATH_LENGTH = 4400 };

/* The number behind `key` at the start of a line of a file; "" is the file's first number.
 * INFINITY where there is none, as in a limit of "max". */
static double number_in(const char *path, const char *key)
{
    FILE *file = fopen(path, "re");
    const size_t length = strlen(key);
    char line[256];
    double found = INFINITY;
    while (file && isinf(found) && fgets(line, sizeof line, file)) {
        uint64_t number = 0;
        if (strncmp(line, key, length) == 0 && sscanf(line + length, "%" SCNu64, &number) == 1)
            found = (double)number;
    }
    if (file) fclose(file);
    return found;
}

/* What the two versions of control groups call their files. */
struct group_files {
    const char *mount, *limit, *usage, *cache;
};
static const struct group_files v1 = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes",
                                      "memory.usage_in_bytes", "total_inactive_file "},
                                v2 = {"/sys/fs/cgroup", "memory.max", "memory.current",
                                      "inactive_file "};

static double value_of(const char *folder, const char *file, const char *key)
{
    char path[PATH_LENGTH + 64];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    return number_in(path, key);
}

/* What one group leaves. Cached files count as used there, but go when memory is asked for. */
static double room_of_group(const char *folder, const struct group_files *files)
{
    const double limit = value_of(folder, files->limit, ""),
                 usage = value_of(folder, files->usage, ""),
                 cache = value_of(folder, "memory.stat", files->cache);
    if (isinf(limit) || isinf(usage)) return INFINITY;
    return fmax(1, limit - usage + (isinf(cache) ? 0 : cache));
}

/* The group at `path`, and those above it. */
static double room_of_groups(const char *root, const struct group_files *files, char *path)
{
    double least = INFINITY;
    for (;;) {
        char folder[PATH_LENGTH];
        snprintf(folder, sizeof folder, "%s%s%s", root, files->mount, path);
        least = fmin(least, room_of_group(folder, files));
        char *slash = strrchr(path, '/');
        if (!slash) return least;
        *slash = '\0';
    }
}

/* Lines are NUMBER:CONTROLLERS:PATH; version 2 names no controllers. */
static double room_in_groups(const char *root)
{
    char path[PATH_LENGTH], line[PATH_LENGTH];
    double least = INFINITY;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        char *controllers = strchr(line, ':'), *group = strchr(line, '/');
        line[strcspn(line, "\n")] = '\0';
        if (!controllers || !group) continue;
        if (strncmp(controllers, "::", 2) == 0)
            least = fmin(least, room_of_groups(root, &v2, group));
        else if (strncmp(controllers, ":memory:", 8) == 0)
            least = fmin(least, room_of_groups(root, &v1, group));
    }
    if (file) fclose(file);
    return least;
}

double nl_room_at(const char *root)
{
    char path[PATH_LENGTH];
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    const double least = fmin(1024 * number_in(path, "MemAvailable:"), room_in_groups(root));
    return isinf(least) ? 0 : least;
}

/* What computing takes beside the plan: of every thread OpenBLAS's buffer, for which it asks until it
 * is given; of all but the first, and of readers, a stack and an arena of malloc's; and the heap. */
static double addresses_of_threads(int threads, int readers)
{
    const double buffer = 128, stack = 8, arena = 64, heap = 32;
    const double mib = threads * buffer + (threads - 1 + readers) * (stack + arena) + heap;
    return threads ? mib * 1024 * 1024 : 0;
}

static double room_of_addresses(int threads, int readers)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return INFINITY;
    const double used = number_in("/proc/self/statm", "") * (double)sysconf(_SC_PAGESIZE);
    if (isinf(used)) return INFINITY;
    return fmax(1, (double)limit.rlim_cur - used - addresses_of_threads(threads, readers));
}

double nl_room(int threads, int readers)
{
    const double machine = nl_room_at(""), addresses = room_of_addresses(threads, readers);
    if (machine > 0) return fmin(machine, addresses);
    return isinf(addresses) ? 0 : addresses;
}

/* How each command is asked for another batch, and for smaller clips. */
static const struct remedy {
    unsigned commands;
    const char *batch, *smaller;
} remedies[] = {
    {NL_CMD_BENCH, "--batch=", "--crop or --shape"},
    {NL_CMD_INFO, "--batch=", "--crop"},
    {NL_CMD_PREDICT, "--batch_size=", "INFER.crop_size or INFER.video_length"},
    {NL_CMD_EVAL, "--batch_size=", "TEST.crop_size or TEST.video_length"},
    {~0u, "clips in --input: ", "clip"},
};

static const struct remedy *remedy_for(const struct nl_run *run)
{
    const struct remedy *remedy = remedies;
    while (!(remedy->commands & run->command->bit)) remedy++;
    return remedy;
}

struct sized {
    int64_t batch;
    double need;
};

/* A batch between one that fits and one that does not, as if the need grew evenly. */
static int64_t between(const struct sized *fits, const struct sized *fails, double room)
{
    const double share = (room - fits->need) / (fails->need - fits->need);
    const int64_t guess = fits->batch + (int64_t)(share * (double)(fails->batch - fits->batch));
    if (guess <= fits->batch) return fits->batch + 1;
    return guess < fails->batch ? guess : fails->batch - 1;
}

/* The largest batch that is found to fit; the first one does, the other does not. */
static int64_t fitting(const struct nl_room_plan *plan, struct sized fits, struct sized fails,
                       double room)
{
    enum { PLANS = 10 };
    for (int i = 0; i < PLANS && fits.batch + 1 < fails.batch; i++) {
        struct sized next = {.batch = between(&fits, &fails, room)};
        if (plan->measure(plan->user, next.batch, &next.need) != NL_OK) break;
        if (next.need <= room)
            fits = next;
        else
            fails = next;
    }
    return fits.batch;
}

nl_status nl_room_check(const struct nl_room_plan *plan)
{
    const int64_t threads = plan->run->args.threads;
    const double mib = 1024.0 * 1024, room = nl_room(threads ? (int)threads : nl_processors(), 1);
    const struct remedy *remedy = remedy_for(plan->run);
    double need, one;
    if (room == 0) return NL_OK;
    NL_TRY(plan->measure(plan->user, plan->batch, &need));
    if (need <= room) return NL_OK;
    NL_TRY(plan->measure(plan->user, 1, &one));
    if (one > room)
        return nl_fail(NL_EUSAGE,
                       "a single clip needs %.0f MiB of memory, %.0f are there; want a smaller %s",
                       one / mib, room / mib, remedy->smaller);
    /* A little less than all, so that the batch still fits when it is tried. */
    const int64_t fits =
        fitting(plan, (struct sized){1, one}, (struct sized){plan->batch, need}, 0.99 * room);
    return nl_fail(NL_EUSAGE,
                   "%" PRId64 " clips at a time need %.0f MiB of memory, %.0f are there; %" PRId64
                   " fit: %s%" PRId64,
                   plan->batch, need / mib, room / mib, fits, remedy->batch, fits);
}
