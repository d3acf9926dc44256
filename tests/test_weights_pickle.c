#include "src/weights/latin1.h"
#include "src/weights/pickle.h"
#include "tests/weights_case.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* fixtures/pickles/protocol0.pkl to protocol5.pkl: one dictionary, dumped by Python 3.11 and NumPy
 * 2, in protocols 1 and 4 an OrderedDict. conv1_weights is a float32 (2,3); turned (Fortran order),
 * big_endian and wide (float64) hold the same; further keys are of other types and no arrays. */
static const float values[6] = {1.5F, -2.25F, 0.1F, 3e8F, -7e-9F, 255.5F};

static void expect_values(const struct nl_state *state, const char *name, nl_type type)
{
    const struct nl_entry *entry = nl_state_find(state, name);
    ck_assert_msg(entry != NULL, "%s", name);
    ck_assert_int_eq(entry->type, type);
    ck_assert_int_eq(entry->rank, 2);
    ck_assert_int_eq(entry->dim[0], 2);
    ck_assert_int_eq(entry->dim[1], 3);
    for (size_t i = 0; i < 6; i++) ck_assert_double_eq(nl_entry_value(entry, i), (double)values[i]);
}

START_TEST(every_protocol_gives_the_same_arrays)
{
    char name[64];
    snprintf(name, sizeof name, "pickles/protocol%d.pkl", _i);
    struct nl_state state = load_state(fixture(name));
    ck_assert_int_eq(state.count, 10);
    expect_values(&state, "conv1_weights", NL_F32);
    expect_values(&state, "turned", NL_F32);
    expect_values(&state, "big_endian", NL_F32);
    expect_values(&state, "wide", NL_F64);
    const struct nl_entry *count = nl_state_find(&state, "count");
    ck_assert_int_eq(count->type, NL_I64);
    ck_assert_double_eq(nl_entry_value(count, 1), -2);
    ck_assert_double_eq(nl_entry_value(nl_state_find(&state, "scalar"), 0), 0.75);
    ck_assert_int_eq(nl_state_find(&state, "rank0")->rank, 0);
    ck_assert_uint_eq(nl_state_find(&state, "empty")->bytes, 0);
    ck_assert_int_eq(nl_state_find(&state, "flags")->type, NL_U8);
    ck_assert_double_eq_tol(nl_entry_value(nl_state_find(&state, "half"), 0), 0.333, 1e-4);
    ck_assert_int_eq(state.ignored.count, 3);
    nl_state_clear(&state);
}
END_TEST

/* `size` of the text without its NUL, which bytes of pickles may hold too. */
#define PICKLE(text) text, sizeof(text) - 1

/* What no weights file has, and what the refusal says. */
START_TEST(anything_but_data_is_refused_by_name)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *why;
    } cases[] = {
        {PICKLE("cos\nsystem\n(S'touch PWNED'\ntR."), "refused: the file asks to run os.system"},
        {PICKLE("\x80\x04\x8c\x05posix\x8c\x06system\x93."),
         "refused: the file asks to run posix.system"},
        {PICKLE("(S'ls'\nios\nsystem\n."), "refused: the file asks to run os.system"},
        {PICKLE("\x80\x02(cnumpy\nndarray\no."), "refused: the file asks for OBJ"},
        {PICKLE("\x80\x02"
                "cnumpy\nndarray\n)\x81."),
         "refused: the file asks for NEWOBJ"},
        {PICKLE("\x80\x04"
                "cnumpy\nndarray\n)}\x92."),
         "refused: the file asks for NEWOBJ_EX"},
        {PICKLE("\x80\x02\x82\x01."), "refused: the file asks for EXT1"},
        {PICKLE("\x80\x02\x83\x01\x01."), "refused: the file asks for EXT2"},
        {PICKLE("\x80\x02\x84\x01\x01\x01\x01."), "refused: the file asks for EXT4"},
        {PICKLE("\x80\x02P1\n."), "refused: the file asks for PERSID"},
        {PICKLE("\x80\x02K\x01Q."), "refused: the file asks for BINPERSID"},
        {PICKLE("\x80\x05\x97."), "refused: the file asks for NEXT_BUFFER"},
        {PICKLE("\x80\x04\x8f."), "refused: the file asks for EMPTY_SET"},
        {PICKLE("\x80\x02"
                "cnumpy\nndarray\n)R."),
         "refused: the file asks to run"},
        {PICKLE("\x80\x02K\x01)R."), "refused: the file asks to run"},
        {PICKLE("\x80\x02K\x01}b."), "refused: the file asks to fill in an object"},
        {PICKLE("\x80\x02"
                "c__builtin__\neval\nX\x01\0\0\0"
                "1\x85R."),
         "run builtins.eval"},
        {PICKLE("\x80\x02"
                "c__builtin__\neval\nX\x04\0\0\0dataK\x01\x86R."),
         "run builtins.eval"},
        {PICKLE("\x80\x02"
                "c_codecs\nencode\nX\x01\0\0\0aX\x05\0\0\0rot13\x86R."),
         "unusual arguments"},
        {PICKLE("\x80\x02"
                "c\x1b[31m\nx\n."),
         "run \\x1B[31m.x"},
    };
    for (size_t i = 0; i < NL_COUNT(cases); i++)
        expect_refused(scratch_file("x", cases[i].bytes, cases[i].size), cases[i].why);
}
END_TEST

START_TEST(broken_pickles_are_refused)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *why;
    } cases[] = {
        {PICKLE("\x80\x02."), "nothing on the stack"},
        {PICKLE("\x80\x02}"), "truncated"},
        {PICKLE("\x80\x02"
                "0."),
         "nothing on the stack"},
        {PICKLE("\x80\x02t."), "no mark"},
        {PICKLE("\x80\x02K\x01(\x85."), "nothing on the stack"},
        {PICKLE("\x80\x02}(K\x01u."), "a key without a value"},
        {PICKLE("\x80\x02K\x01K\x02K\x03s."), "no dictionary to add to"},
        {PICKLE("\x80\x02(K\x01"
                "d."),
         "a key without a value"},
        {PICKLE("\x80\x02h\x07."), "memo 7 was never set"},
        {PICKLE("\x80\x02}r\xff\xff\xff\x7f."), "memo index"},
        {PICKLE("\x80\x02X\xff\xff\xff\xff."), "truncated"},
        {PICKLE("\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff."), "truncated"},
        {PICKLE("\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xff}."), "truncated: a frame"},
        {PICKLE("\x80\x02\xfe."), "unknown opcode 0xfe"},
        {PICKLE("\x80\x02\x80\x06."), "protocol 6"},
        {PICKLE("(I12x\nl."), "is no number"},
        {PICKLE("(S'a\\q'\nl."), "unknown escape"},
        {PICKLE("(Sab\nl."), "without quotes"},
        {PICKLE("\x80\x02]."), "without a dictionary of weights"},
        {PICKLE("\x80\x02}K\x01K\x02s."), "a key that is no name"},
        {PICKLE("\x80\x02}X\x15\0\0\0UnpackBigParamInfor@@}s."), "large tensors are split"},
        {PICKLE("\x80\x02}X\x01\0\0\0wcnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
                "K\0\x85X\x01\0\0\0b\x87Rs."),
         "w is an array without contents"},
    };
    for (size_t i = 0; i < NL_COUNT(cases); i++)
        expect_refused(scratch_file("x", cases[i].bytes, cases[i].size), cases[i].why);
}
END_TEST

/* w with this shape, type and data in one dictionary of protocol 2. */
static const char *array_file(const char *shape, size_t shape_size, const char *type,
                              const char *data, size_t size)
{
    static char bytes[1024];
    size_t n = 0;
    const char front[] = "\x80\x02}U\x01wcnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
                         "K\0\x85U\x01"
                         "b\x87R(K\x01(";
    n = put_bytes(bytes, 0, front, sizeof front - 1);
    n = put_bytes(bytes, n, shape, shape_size);
    n += (size_t)snprintf(bytes + n, sizeof bytes - n, "tcnumpy\ndtype\nU%c%s", (int)strlen(type),
                          type);
    const char order[] = "K\0K\x01\x87R(K\x03U\x01<NNNtb\x89U";
    n = put_bytes(bytes, n, order, sizeof order - 1);
    bytes[n++] = (char)size;
    n = put_bytes(bytes, n, data, size);
    n = put_bytes(bytes, n, "tbs.", 4);
    return scratch_file("array", bytes, n);
}

START_TEST(an_arrays_shape_type_and_data_must_agree)
{
    struct nl_state state = load_state(array_file("K\x02", 2, "f4", "12345678", 8));
    ck_assert_int_eq(state.count, 1);
    ck_assert_int_eq(state.list[0].dim[0], 2);
    ck_assert_ptr_null(state.list[0].owned);
    nl_state_clear(&state);
    expect_refused(array_file("K\x03", 2, "f4", "12345678", 8),
                   "8 bytes of data, its shape wants 12");
    expect_refused(array_file("K\x02", 2, "c8", "12345678", 8),
                   "NumPy's type c8, which is not read");
    expect_refused(array_file("K\x02", 2, "O8", "12345678", 8),
                   "NumPy's type O8, which is not read");
    expect_refused(array_file("J\xff\xff\xff\xff", 5, "f4", "12345678", 8),
                   "an extent that is none");
    expect_refused(
        array_file("\x8a\x08\0\0\0\0\0\0\0\x10\x8a\x08\0\0\0\0\0\0\0\x10", 20, "f4", "", 0),
        "impossible extent");
    expect_refused(array_file("K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01K\x01", 18, "f4", "1234", 4),
                   "9 axes");
}
END_TEST

START_TEST(paddles_idiom_for_a_tensor_is_read_as_the_array)
{
    /* eval('data', {'data': scalar(dtype('u1'), 'A')}) and ('name', scalar) under two keys. */
    static const char bytes[] =
        "\x80\x02}(U\x01"
        "a"
        "c__builtin__\neval\nU\x04"
        "data}U\x04"
        "data"
        "cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nU\x02u1\x85Rq\x01U\x01"
        "A\x86R"
        "s\x86R"
        "U\x01"
        "b"
        "U\x04namecnumpy.core.multiarray\nscalar\nh\x01U\x01"
        "B\x86R\x86u.";
    struct nl_state state = load_state(scratch_file("x", bytes, sizeof bytes - 1));
    ck_assert_int_eq(state.count, 2);
    ck_assert_double_eq(nl_entry_value(&state.list[0], 0), 'A');
    ck_assert_double_eq(nl_entry_value(&state.list[1], 0), 'B');
    nl_state_clear(&state);
}
END_TEST

/* Bounded by memory, not by the stack of this process: nothing recurses. */
START_TEST(a_deep_or_endless_pickle_ends_in_an_error)
{
    const size_t size = (size_t)4 << 20;
    char *bytes = malloc(size);
    struct nl_pickle pickle;
    memset(bytes, '(', size);
    ck_assert_int_eq(nl_pickle_read((unsigned char *)bytes, size, &pickle), NL_EIO);
    memset(bytes, ']', size);
    ck_assert_int_eq(nl_pickle_read((unsigned char *)bytes, size, &pickle), NL_EIO);
    /* A list in a list in a list ... */
    memset(bytes, ']', size / 2);
    memset(bytes + size / 2, 'a', size / 2);
    bytes[size - 1] = '.';
    ck_assert_int_eq(nl_pickle_read((unsigned char *)bytes, size, &pickle), NL_OK);
    ck_assert_int_eq(pickle.top->kind, NL_PICKLE_LIST);
    nl_pickle_clear(&pickle);
    free(bytes);
}
END_TEST

START_TEST(text_is_decoded_exactly_or_not_at_all)
{
    unsigned char text[1024] = {0}, out[512], want[512];
    for (size_t count = 0; count < 400; count += 13) {
        size_t size = 0;
        for (size_t i = 0; i < count; i++) {
            want[i] = (unsigned char)(i * 37 + count);
            if (want[i] >= 0x80) text[size++] = (unsigned char)(0xC0 | want[i] >> 6);
            text[size++] = (unsigned char)(want[i] >= 0x80 ? 0x80 | (want[i] & 0x3F) : want[i]);
        }
        ck_assert(nl_latin1_decode(text, size, out, count));
        if (count) ck_assert_mem_eq(out, want, count);
        ck_assert(!nl_latin1_decode(text, size, out, count + 1));
        for (size_t i = 0; i < size; i++) {
            const unsigned char was = text[i];
            text[i] = 0xC4; /* begins a character beyond U+00FF */
            ck_assert_msg(!nl_latin1_decode(text, size, out, count), "byte %zu of %zu", i, size);
            text[i] = was;
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("weights pickle");
    TCase *tests = tcase_create("pickle");
    tcase_add_checked_fixture(tests, NULL, scratch_remove);
    tcase_add_loop_test(tests, every_protocol_gives_the_same_arrays, 0, 6);
    tcase_add_test(tests, anything_but_data_is_refused_by_name);
    tcase_add_test(tests, broken_pickles_are_refused);
    tcase_add_test(tests, an_arrays_shape_type_and_data_must_agree);
    tcase_add_test(tests, paddles_idiom_for_a_tensor_is_read_as_the_array);
    tcase_add_test(tests, a_deep_or_endless_pickle_ends_in_an_error);
    tcase_add_test(tests, text_is_decoded_exactly_or_not_at_all);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
