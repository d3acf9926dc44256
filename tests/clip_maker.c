#include "tests/clip_maker.h"

#include "reader/writer.h"
#include "src/core/memory.h"

#include <check.h>
#include <string.h>

void nl_make_clip(const char *path, int width, int height, int frames, nl_grey_fn *grey)
{
    const struct nl_writer_spec spec = {.width = width, .height = height, .key_interval = 12};
    const struct nl_image image = {NULL, 3 * (size_t)width, width, height};
    struct nl_writer *writer;
    uint8_t *pixels = NULL;
    ck_assert_int_eq(nl_calloc(1, (size_t)height * image.stride + NL_WRITER_PAD, &pixels), NL_OK);
    ck_assert_msg(nl_writer_open(path, &spec, &writer) == NL_OK, "%s", nl_error());
    for (int i = 0; i < frames; i++) {
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++)
                memset(pixels + (size_t)y * image.stride + 3 * (size_t)x, grey(i, x, y), 3);
        struct nl_image frame = image;
        frame.data = pixels;
        ck_assert_msg(nl_writer_add(writer, &frame) == NL_OK, "%s", nl_error());
    }
    ck_assert_msg(nl_writer_finish(writer) == NL_OK, "%s", nl_error());
    nl_free(pixels);
}
