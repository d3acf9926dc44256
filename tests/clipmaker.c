/* clipmaker FILE WIDTH HEIGHT FRAMES: writes a small moving video for tests; the name's ending
 * decides the container. */
#include "reader/writer.h"
#include "src/core/memory.h"

#include <stdio.h>
#include <stdlib.h>

/* A square that moves over a ramp, so that every frame and every place differs. */
static void paint(uint8_t *rgb, int width, int height, int number)
{
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++, rgb += 3) {
            const int inside = abs(x - (number * 5) % width) < 12 && abs(y - height / 2) < 12;
            rgb[0] = (uint8_t)(inside ? 240 : 40 + (x + 2 * y) % 120);
            rgb[1] = (uint8_t)(inside ? 230 : 60 + number % 50);
            rgb[2] = (uint8_t)(90 + x % 60);
        }
}

static nl_status write_clip(const char *path, int width, int height, int frames)
{
    const struct nl_writer_spec spec = {
        .width = width, .height = height, .key_interval = 12, .quality = 18};
    struct nl_writer *writer;
    uint8_t *rgb = NULL;
    NL_TRY(nl_writer_open(path, &spec, &writer));
    nl_status st = nl_calloc(1, 3 * (size_t)height * (size_t)width + NL_WRITER_PAD, &rgb);
    for (int i = 0; st == NL_OK && i < frames; i++) {
        const struct nl_image image = {rgb, 3 * (size_t)width, width, height};
        paint(rgb, width, height, i);
        st = nl_writer_add(writer, &image);
    }
    nl_free(rgb);
    if (st == NL_OK) return nl_writer_finish(writer);
    nl_writer_abort(writer);
    return st;
}

int main(int argc, char **argv)
{
    nl_status st = nl_fail(NL_EUSAGE, "want FILE WIDTH HEIGHT FRAMES");
    if (argc == 5)
        st = write_clip(argv[1], (int)strtol(argv[2], NULL, 10), (int)strtol(argv[3], NULL, 10),
                        (int)strtol(argv[4], NULL, 10));
    if (st != NL_OK) fprintf(stderr, "clipmaker: %s\n", nl_error());
    return st != NL_OK;
}
