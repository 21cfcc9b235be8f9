// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "base/arena.h"

static void assert_aligned(const void *block)
{
    assert_int_equal((uintptr_t)block % 64, 0);
}

static bool all_bytes(const void *block, size_t n, unsigned char value)
{
    for (size_t i = 0; i < n; i++) {
        if (((const unsigned char *)block)[i] != value) {
            return false;
        }
    }
    return true;
}

static void test_blocks(void **state)
{
    (void)state;
    const size_t sizes[] = {0, 1, 63, 64, 65, 4096, 1 << 22};
    void *block[7];
    for (int i = 0; i < 7; i++) {
        block[i] = mem_alloc(sizes[i], 1);
        assert_non_null(block[i]);
        assert_aligned(block[i]);
        assert_true(all_bytes(block[i], sizes[i], 0));
        memset(block[i], 0xff, sizes[i]);
        assert_int_equal(mem_live(), i + 1);
    }
    for (int i = 0; i < 7; i++) {
        mem_free(block[i]);
    }
    mem_free(NULL);
    assert_int_equal(mem_live(), 0);
}

static void test_grow_keeps_bytes(void **state)
{
    (void)state;
    unsigned char *block = mem_grow(NULL, 3, 1);
    memset(block, 7, 3);
    size_t old = 3;
    for (size_t n = 5; n < 40000000; n = n * 3 + 1) {
        block = mem_grow(block, n, 1);
        assert_aligned(block);
        assert_true(all_bytes(block, old, 7));
        memset(block, 7, n);
        old = n;
    }
    for (size_t n = old / 2; n > 0; n /= 5) {
        block = mem_grow(block, n, 1);
        assert_aligned(block);
        assert_true(all_bytes(block, n, 7));
    }
    assert_int_equal(mem_live(), 1);
    mem_free(block);
    char *text = mem_copy_text("a line");
    assert_string_equal(text, "a line");
    mem_free(text);
    assert_int_equal(mem_live(), 0);
}

static void test_arena_blocks(void **state)
{
    (void)state;
    Arena arena = {0};
    unsigned char *block[40];
    size_t size[40];
    for (int step = 0; step < 3; step++) {
        for (int i = 0; i < 40; i++) {
            size[i] = (size_t)(i * i * 701 % 150000);
            block[i] = i % 2 ? arena_zeroed(&arena, size[i], 1) : arena_alloc(&arena, size[i], 1);
            assert_aligned(block[i]);
            assert_true(i % 2 == 0 || all_bytes(block[i], size[i], 0));
            memset(block[i], i + 1, size[i]);
        }
        for (int i = 0; i < 40; i++) {  // none overlaps another, also where the arena grew
            assert_true(all_bytes(block[i], size[i], (unsigned char)(i + 1)));
        }
        assert_true(step > 0 || arena.n_older > 0);
        arena_reset(&arena);
        assert_int_equal(arena.n_older, 0);
    }
    arena_free(&arena);
    assert_int_equal(mem_live(), 0);
    assert_null(arena.base);
}

/** After its first step an arena allocates nothing for steps that are no larger. */
static void test_steady_step_allocates_nothing(void **state)
{
    (void)state;
    Arena arena = {0};
    for (int step = 0; step < 4; step++) {
        const long live = mem_live();
        const char *base = arena.base;
        for (int i = 0; i < 30; i++) {
            arena_alloc(&arena, 123457, 1);
        }
        assert_true(step == 0 || (mem_live() == live && arena.base == base));
        arena_reset(&arena);
    }
    assert_true(arena.peak >= 30 * 123457 && arena.peak < 30 * (123457 + 64));
    arena_free(&arena);
    assert_int_equal(mem_live(), 0);
}

static void test_mark_and_release(void **state)
{
    (void)state;
    Arena arena = {0};
    unsigned char *kept = arena_alloc(&arena, 100, 1);
    memset(kept, 9, 100);
    const ArenaMark mark = arena_mark(&arena);
    void *first = arena_alloc(&arena, 1000, 1);
    arena_release(&arena, mark);
    assert_ptr_equal(arena_alloc(&arena, 1000, 1), first);
    arena_release(&arena, mark);
    memset(arena_alloc(&arena, 5 << 20, 1), 1, 5 << 20);  // grows: the mark lies in an older chunk
    unsigned char *scratch = arena_alloc(&arena, 64, 1);
    memset(scratch, 3, 64);
    arena_release(&arena, mark);
    memset(arena_alloc(&arena, 64, 1), 4, 64);
    assert_true(all_bytes(kept, 100, 9));
    arena_reset(&arena);
    const ArenaMark empty = arena_mark(&arena);
    first = arena_alloc(&arena, 64, 1);
    arena_release(&arena, empty);
    assert_ptr_equal(arena_alloc(&arena, 64, 1), first);
    arena_free(&arena);
    assert_int_equal(mem_live(), 0);
}

/** A zeroed arena is empty and valid: for nothing, too. */
static void test_empty_arena(void **state)
{
    (void)state;
    Arena arena = {0};
    const ArenaMark mark = arena_mark(&arena);
    assert_non_null(arena_alloc(&arena, 0, 8));
    assert_non_null(arena_zeroed(&arena, 0, 8));
    arena_release(&arena, mark);
    arena_reset(&arena);
    arena_free(&arena);
    arena_free(&arena);
    assert_int_equal(mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_grow_keeps_bytes),
        cmocka_unit_test(test_arena_blocks),
        cmocka_unit_test(test_steady_step_allocates_nothing),
        cmocka_unit_test(test_mark_and_release),
        cmocka_unit_test(test_empty_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
