#include "src/core/file.h"

#include "src/core/memory.h"
#include "src/core/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static nl_status failed(const char *path, const char *what)
{
    char name[1024];
    return nl_fail(NL_EIO, "%s: %s", nl_text_escape(path, name, sizeof name), what);
}

nl_status nl_file_open(const char *path, int *fd, size_t *size)
{
    struct stat about;
    *fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (*fd < 0) return failed(path, strerror(errno));
    const char *wrong = NULL;
    if (fstat(*fd, &about) != 0)
        wrong = strerror(errno);
    else if (S_ISDIR(about.st_mode))
        wrong = "is a folder, want a file";
    else if (!S_ISREG(about.st_mode))
        wrong = "is no regular file";
    if (!wrong) {
        *size = (size_t)about.st_size;
        return NL_OK;
    }
    close(*fd);
    *fd = -1;
    return failed(path, wrong);
}

/* All `size` bytes, or an error; interrupted reads go on. */
static nl_status read_all(int fd, const char *path, char *text, size_t size)
{
    size_t done = 0;
    while (done < size) {
        const ssize_t got = read(fd, text + done, size - done);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return failed(path, strerror(errno));
        if (got == 0) return failed(path, "short read");
        done += (size_t)got;
    }
    return NL_OK;
}

nl_status nl_file_read(const char *path, size_t limit, char **text, size_t *size)
{
    int fd;
    *text = NULL;
    NL_TRY(nl_file_open(path, &fd, size));
    nl_status st = NL_OK;
    if (*size > limit) {
        char what[96];
        snprintf(what, sizeof what, "%zu bytes, want at most %zu", *size, limit);
        st = failed(path, what);
    }
    if (st == NL_OK) st = nl_calloc(*size + 1, 1, text);
    if (st == NL_OK) st = read_all(fd, path, *text, *size);
    close(fd);
    if (st == NL_OK) return NL_OK;
    nl_free(*text);
    *text = NULL;
    return st;
}

/* A folder whose parent exists. */
static nl_status make_one(const char *path)
{
    struct stat about;
    if (mkdir(path, 0777) == 0) return NL_OK;
    if (errno != EEXIST) return failed(path, strerror(errno));
    if (stat(path, &about) != 0) return failed(path, strerror(errno));
    return S_ISDIR(about.st_mode) ? NL_OK : failed(path, "is a file, want a folder");
}

nl_status nl_folder_make(const char *path)
{
    char *part = NULL;
    NL_TRY(nl_copy_text(path, &part));
    nl_status st = NL_OK;
    for (char *c = part; st == NL_OK && *c; c++) {
        if (*c != '/' || c == part || c[-1] == '/') continue;
        *c = '\0';
        st = make_one(part);
        *c = '/';
    }
    if (st == NL_OK) st = make_one(part);
    nl_free(part);
    return st;
}

nl_status nl_file_map(const char *path, struct nl_file_map *map)
{
    int fd;
    *map = (struct nl_file_map){.data = NULL};
    NL_TRY(nl_file_open(path, &fd, &map->size));
    void *data = map->size ? mmap(NULL, map->size, PROT_READ, MAP_PRIVATE, fd, 0) : NULL;
    const int error = errno;
    close(fd);
    if (data == MAP_FAILED) return failed(path, strerror(error));
    map->data = data;
    return NL_OK;
}

void nl_file_unmap(struct nl_file_map *map)
{
    void *data = NULL;
    memcpy(&data, &map->data, sizeof data); /* munmap takes no const */
    if (data) munmap(data, map->size);
    *map = (struct nl_file_map){.data = NULL};
}

/* A FIFO that nobody reads would block for ever; one that is read, as a pipe is, is written. */
static FILE *open_fifo(const char *path)
{
    const int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return NULL;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    return fdopen(fd, "wb");
}

nl_status nl_file_write_begin(struct nl_file_write *w, const char *path)
{
    struct stat about;
    const bool exists = stat(path, &about) == 0;
    const bool direct = exists && !S_ISREG(about.st_mode);
    w->file = NULL;
    if (exists && S_ISDIR(about.st_mode)) return failed(path, "is a folder, want a file to write");
    if (strlen(path) >= sizeof w->path) return failed(path, "name too long");
    snprintf(w->path, sizeof w->path, "%s", path);
    w->temporary[0] = '\0';
    if (!direct) snprintf(w->temporary, sizeof w->temporary, "%s.%ld.tmp", path, (long)getpid());
    w->file = direct && S_ISFIFO(about.st_mode) ? open_fifo(path)
                                                : fopen(direct ? path : w->temporary, "wbe");
    return w->file ? NL_OK : failed(path, strerror(errno));
}

void nl_file_write_abort(struct nl_file_write *w)
{
    if (w->file) fclose(w->file);
    if (w->temporary[0]) unlink(w->temporary);
    w->file = NULL;
}

nl_status nl_file_write_commit(struct nl_file_write *w)
{
    bool good = fflush(w->file) == 0 && !ferror(w->file);
    if (good && w->temporary[0]) good = fsync(fileno(w->file)) == 0;
    int error = errno;
    if (fclose(w->file) != 0 && good) {
        good = false;
        error = errno;
    }
    w->file = NULL;
    if (good && w->temporary[0] && rename(w->temporary, w->path) != 0) {
        good = false;
        error = errno;
    }
    if (good) return NL_OK;
    if (w->temporary[0]) unlink(w->temporary);
    return failed(w->path, strerror(error));
}
