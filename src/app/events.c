#include "src/app/events.h"

#include "src/core/memory.h"
#include "src/core/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct nl_events {
    FILE *file;
    char path[4096];
};

/* --- bytes ----------------------------------------------------------------------------------- */

uint32_t nl_crc32c(const void *data, size_t size)
{
    const unsigned char *byte = data;
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < size; i++) {
        crc ^= byte[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
    }
    return ~crc;
}

/* Stored checksums are masked, so that a checksum of data with checksums in it stays one. */
static uint32_t masked(uint32_t crc)
{
    return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

struct bytes {
    unsigned char data[2 * NL_EVENTS_TAG_MAX];
    size_t size;
};

static void put_byte(struct bytes *to, unsigned value)
{
    to->data[to->size++] = (unsigned char)value;
}

static void put_fixed(struct bytes *to, uint64_t value, int count)
{
    for (int i = 0; i < count; i++) put_byte(to, (unsigned)(value >> 8 * i & 0xFF));
}

static void put_varint(struct bytes *to, uint64_t value)
{
    for (; value > 0x7F; value >>= 7) put_byte(to, (unsigned)(value & 0x7F) | 0x80);
    put_byte(to, (unsigned)value);
}

/* --- protocol buffers: a field is (number << 3 | kind), then its value ------------------------- */

enum { VARINT = 0, FIXED64 = 1, CHUNK = 2, FIXED32 = 5 };

static void put_chunk(struct bytes *to, unsigned number, const void *data, size_t size)
{
    put_byte(to, number << 3 | CHUNK);
    put_varint(to, size);
    memcpy(to->data + to->size, data, size);
    to->size += size;
}

static void put_time(struct bytes *to)
{
    struct timespec now;
    uint64_t bits = 0;
    clock_gettime(CLOCK_REALTIME, &now);
    const double seconds = (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
    memcpy(&bits, &seconds, sizeof bits);
    put_byte(to, 1 << 3 | FIXED64);
    put_fixed(to, bits, 8);
}

static void put_summary(struct bytes *to, const char *tag, float number)
{
    struct bytes value = {.size = 0}, summary = {.size = 0};
    uint32_t bits = 0;
    memcpy(&bits, &number, sizeof bits);
    put_chunk(&value, 1, tag, strlen(tag));
    put_byte(&value, 2 << 3 | FIXED32);
    put_fixed(&value, bits, 4);
    put_chunk(&summary, 1, value.data, value.size);
    put_chunk(to, 5, summary.data, summary.size);
}

/* --- the file -------------------------------------------------------------------------------- */

static nl_status failed(const struct nl_events *events)
{
    char name[1024];
    return nl_fail(NL_EIO, "%s: %s", nl_text_escape(events->path, name, sizeof name),
                   strerror(errno));
}

static nl_status write_record(struct nl_events *events, const struct bytes *event)
{
    struct bytes head = {.size = 0}, tail = {.size = 0};
    put_fixed(&head, event->size, 8);
    put_fixed(&head, masked(nl_crc32c(head.data, 8)), 4);
    put_fixed(&tail, masked(nl_crc32c(event->data, event->size)), 4);
    if (fwrite(head.data, 1, head.size, events->file) == head.size &&
        fwrite(event->data, 1, event->size, events->file) == event->size &&
        fwrite(tail.data, 1, tail.size, events->file) == tail.size)
        return NL_OK;
    return failed(events);
}

static nl_status write_version(struct nl_events *events)
{
    static const char version[] = "brain.Event:2";
    struct bytes event = {.size = 0};
    put_time(&event);
    put_chunk(&event, 3, version, sizeof version - 1);
    NL_TRY(write_record(events, &event));
    return nl_events_flush(events);
}

/* A file of a name that is not taken. */
static nl_status create(struct nl_events *events, const char *dir)
{
    enum { TRIES = 1000 };
    int fd = -1;
    const long long now = (long long)time(NULL);
    for (int i = 0; i < TRIES && fd < 0; i++) {
        const int length = snprintf(events->path, sizeof events->path,
                                    "%s/events.out.tfevents.%010lld.nonlocal", dir, now + i);
        NL_REQUIRE(length < (int)sizeof events->path, NL_EIO, "folder for events: name too long");
        fd = open(events->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno != EEXIST) break;
    }
    if (fd < 0) return failed(events);
    events->file = fdopen(fd, "wb");
    if (events->file) return NL_OK;
    const nl_status st = failed(events);
    close(fd);
    return st;
}

nl_status nl_events_open(const char *dir, struct nl_events **out)
{
    struct nl_events *events = NULL;
    *out = NULL;
    NL_TRY(nl_calloc(1, sizeof *events, &events));
    mkdir(dir, 0777); /* where that fails, creating the file says why */
    nl_status st = create(events, dir);
    if (st == NL_OK) st = write_version(events);
    if (st == NL_OK) {
        *out = events;
        return NL_OK;
    }
    if (events->file) fclose(events->file);
    nl_free(events);
    return st;
}

nl_status nl_events_add(struct nl_events *events, int64_t step, const char *tag, float value)
{
    struct bytes event = {.size = 0};
    const size_t length = strlen(tag);
    NL_REQUIRE(length > 0 && length <= NL_EVENTS_TAG_MAX, NL_EINVAL,
               "events: a tag of %zu bytes, want 1 to %d", length, NL_EVENTS_TAG_MAX);
    put_time(&event);
    put_byte(&event, 2 << 3 | VARINT);
    put_varint(&event, (uint64_t)step);
    put_summary(&event, tag, value);
    return write_record(events, &event);
}

nl_status nl_events_flush(struct nl_events *events)
{
    return fflush(events->file) == 0 ? NL_OK : failed(events);
}

void nl_events_close(struct nl_events *events)
{
    if (!events) return;
    fclose(events->file);
    nl_free(events);
}

const char *nl_events_path(const struct nl_events *events)
{
    return events->path;
}
