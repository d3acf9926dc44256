#include "src/tensor/npy.h"
#include "tests/weights_case.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* A file of this version and header text, followed by `size` bytes of data counting from 0. */
static const char *file_of(int version, const char *header, size_t size)
{
    static unsigned char bytes[2048];
    const size_t length = strlen(header), prefix = version == 1 ? 10 : 12;
    memset(bytes, 0, sizeof bytes);
    put_bytes(bytes, 0, "\x93NUMPY", 6);
    bytes[6] = (unsigned char)version;
    bytes[8] = (unsigned char)length;
    bytes[9] = (unsigned char)(length >> 8);
    put_bytes(bytes, prefix, header, length);
    for (size_t i = 0; i < size; i++) bytes[prefix + length + i] = (unsigned char)i;
    return scratch_file("x.npy", bytes, prefix + length + size);
}

START_TEST(every_type_is_read_back_as_written)
{
    static const float f32[6] = {1, -2, 3.5F, 0, 1e-30F, 7};
    static const double f64[6] = {1, -2, 3.5, 0, 1e-300, 7};
    static const int64_t i64[6] = {1, -2, 3, 0, INT64_MIN, 7}, dim[3] = {1, 2, 3};
    static const uint8_t u8[6] = {1, 2, 255, 0, 128, 7};
    static const struct {
        nl_type type;
        const void *data;
    } types[] = {{NL_F32, f32}, {NL_F64, f64}, {NL_I64, i64}, {NL_U8, u8}};
    for (size_t t = 0; t < NL_COUNT(types); t++) {
        struct nl_npy npy = {.rank = 0};
        const char *path = scratch("a.npy");
        ck_assert_int_eq(nl_npy_write(path, types[t].type, 3, dim, types[t].data), NL_OK);
        ck_assert_int_eq(nl_npy_read(path, &npy), NL_OK);
        ck_assert_int_eq(npy.type, types[t].type);
        ck_assert_int_eq(npy.rank, 3);
        for (int i = 0; i < 3; i++) ck_assert_int_eq(npy.dim[i], dim[i]);
        ck_assert_int_eq(npy.count, 6);
        ck_assert_mem_eq(npy.data, types[t].data, 6 * nl_type_size(npy.type));
        ck_assert_uint_eq((uintptr_t)npy.data % 64, 0);
        nl_npy_clear(&npy);
    }
}
END_TEST

START_TEST(all_ranks_are_written)
{
    static const int64_t dim[NL_NPY_RANK] = {1, 2, 1, 1, 3, 1, 1, 1};
    const float data[6] = {0};
    for (int rank = 0; rank <= NL_NPY_RANK; rank++) {
        struct nl_npy npy = {.rank = 0};
        const char *path = scratch("a.npy");
        ck_assert_int_eq(nl_npy_write(path, NL_F32, rank, dim, data), NL_OK);
        ck_assert_int_eq(nl_npy_read(path, &npy), NL_OK);
        ck_assert_int_eq(npy.rank, rank);
        for (int i = 0; i < rank; i++) ck_assert_int_eq(npy.dim[i], dim[i]);
        ck_assert_int_eq(npy.count, rank < 2 ? 1 : rank < 5 ? 2 : 6);
        nl_npy_clear(&npy);
    }
    ck_assert_int_eq(nl_npy_write(scratch("a.npy"), NL_BF16, 1, dim, data), NL_EINVAL);
}
END_TEST

/* NumPy's own spelling: versions, key order, blanks and odd alignment vary. */
START_TEST(headers_of_other_writers_are_read)
{
    static const struct {
        int version;
        const char *header;
        int rank;
    } cases[] = {
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }   \n", 2},
        {2, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", 1},
        {3, "{\"shape\":(1,2),\"fortran_order\":False,\"descr\":\"<f4\"}", 2},
        {1, "{'descr': '<f8', 'fortran_order': False, 'shape': (), }\n", 0},
        {1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2,), }\n ", 1},
        {1, "{'descr': '|u1', 'fortran_order': False, 'shape': (8,), }\n  ", 1},
    };
    for (size_t i = 0; i < NL_COUNT(cases); i++) {
        struct nl_npy npy = {.rank = 0};
        const nl_status st = nl_npy_read(file_of(cases[i].version, cases[i].header, 8), &npy);
        ck_assert_msg(st == NL_OK, "%s: %s", cases[i].header, nl_error());
        ck_assert_int_eq(npy.rank, cases[i].rank);
        ck_assert_int_eq(((const unsigned char *)npy.data)[7], 7);
        ck_assert_uint_eq((uintptr_t)npy.data % nl_type_size(npy.type), 0);
        nl_npy_clear(&npy);
    }
}
END_TEST

static void refuse(const char *path, const char *part)
{
    struct nl_npy npy;
    ck_assert_int_eq(nl_npy_read(path, &npy), NL_EIO);
    ck_assert_msg(strstr(nl_error(), part) != NULL, "want \"%s\" in \"%s\"", part, nl_error());
    ck_assert_ptr_nonnull(strstr(nl_error(), path));
    ck_assert_ptr_null(npy.data);
}

START_TEST(other_files_are_refused_with_a_line)
{
    static const struct {
        int version;
        const char *header, *why;
    } cases[] = {
        {4, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", "version 1 to 3"},
        {1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2,1), }", "Fortran order"},
        {1, "{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }", "data type \">f4\""},
        {1, "{'descr': '<f2', 'fortran_order': False, 'shape': (4,), }", "data type \"<f2\""},
        {1, "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "data type \"|O\""},
        {1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "broken header"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }",
         "8 bytes of data, its shape wants 12"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }",
         "8 bytes of data, its shape wants 4"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", "broken header"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999,99999999999), }",
         "impossible shape"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999999999999,), }",
         "broken header"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,2), }",
         "broken header"},
        {1, "{'descr': '<f4', 'fortran_order': False, }", "broken header"},
        {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}", "broken header"},
        {1, "{'descr': '<f4", "broken header"},
        {1, "", "broken header"},
    };
    for (size_t i = 0; i < NL_COUNT(cases); i++)
        refuse(file_of(cases[i].version, cases[i].header, 8), cases[i].why);
    refuse(scratch_file("x", "\x93NUMPY\x01\0\xff\xff{}", 12), "truncated: a header of 65535");
    refuse(scratch_file("x", "", 0), "no .npy file");
    refuse(scratch("none"), "No such file");
    refuse("/dev/null", "no regular file");
}
END_TEST

START_TEST(no_truncation_is_read)
{
    static unsigned char bytes[256];
    const int64_t dim[2] = {3, 4};
    const float data[12] = {1};
    ck_assert_int_eq(nl_npy_write(scratch("whole.npy"), NL_F32, 2, dim, data), NL_OK);
    FILE *file = fopen(scratch("whole.npy"), "rb");
    ck_assert_ptr_nonnull(file);
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    ck_assert_uint_eq(size, 128 + sizeof data);
    for (size_t cut = 0; cut < size; cut++) {
        struct nl_npy npy = {.rank = 0};
        ck_assert_int_eq(nl_npy_read(scratch_file("cut.npy", bytes, cut), &npy), NL_EIO);
    }
}
END_TEST

START_TEST(what_cannot_be_written_is_reported)
{
    const int64_t dim[1] = {2};
    const float data[2] = {1, 2};
    ck_assert_int_eq(nl_npy_write("/dev/null", NL_F32, 1, dim, data), NL_OK);
    ck_assert_int_eq(nl_npy_write("/dev/full", NL_F32, 1, dim, data), NL_EIO);
    ck_assert_ptr_nonnull(strstr(nl_error(), "/dev/full: No space left"));
    ck_assert_int_eq(nl_npy_write(scratch("no/folder.npy"), NL_F32, 1, dim, data), NL_EIO);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("npy");
    TCase *tests = tcase_create("npy");
    tcase_add_checked_fixture(tests, NULL, scratch_remove);
    tcase_add_test(tests, every_type_is_read_back_as_written);
    tcase_add_test(tests, all_ranks_are_written);
    tcase_add_test(tests, headers_of_other_writers_are_read);
    tcase_add_test(tests, other_files_are_refused_with_a_line);
    tcase_add_test(tests, no_truncation_is_read);
    tcase_add_test(tests, what_cannot_be_written_is_reported);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
