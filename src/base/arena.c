// SPDX-License-Identifier: Apache-2.0
#include "base/arena.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { ALIGNMENT = 64, FIRST_CHUNK = 1 << 20 };

/** Stands right before the aligned start of every block. */
typedef struct Header {
    char *raw;     // what malloc gave
    size_t bytes;  // what the user asked for
} Header;

static atomic_long live;

static size_t bytes_of(size_t count, size_t size)
{
    CHECK(size == 0 || count <= (SIZE_MAX / 2) / size,
          "%zu items of %zu bytes do not fit in memory", count, size);
    return count * size;
}

static void *place(char *raw, size_t bytes)
{
    uintptr_t first = (uintptr_t)raw + sizeof(Header) + ALIGNMENT - 1;
    char *block = raw + (first / ALIGNMENT * ALIGNMENT - (uintptr_t)raw);
    Header header = {raw, bytes};
    memcpy(block - sizeof header, &header, sizeof header);
    return block;
}

static Header header_of(const void *block)
{
    Header header;
    memcpy(&header, (const char *)block - sizeof header, sizeof header);
    return header;
}

void *mem_alloc(size_t count, size_t size)
{
    size_t bytes = bytes_of(count, size);
    char *raw = calloc(1, bytes + sizeof(Header) + ALIGNMENT);
    CHECK(raw != NULL, "out of memory: %zu more bytes wanted; make the model or --batch smaller",
          bytes);
    atomic_fetch_add(&live, 1);
    return place(raw, bytes);
}

void *mem_grow(void *block, size_t count, size_t size)
{
    if (block == NULL) {
        return mem_alloc(count, size);
    }
    size_t bytes = bytes_of(count, size);
    Header old = header_of(block);
    size_t old_offset = (size_t)((char *)block - old.raw);
    char *raw = realloc(old.raw, bytes + sizeof(Header) + ALIGNMENT);
    CHECK(raw != NULL, "out of memory: %zu more bytes wanted; make the model or --batch smaller",
          bytes);
    size_t kept = old.bytes < bytes ? old.bytes : bytes;
    uintptr_t first = (uintptr_t)raw + sizeof(Header) + ALIGNMENT - 1;
    size_t offset = first / ALIGNMENT * ALIGNMENT - (uintptr_t)raw;
    if (offset != old_offset) {
        memmove(raw + offset, raw + old_offset, kept);
    }
    return place(raw, bytes);
}

void mem_free(void *block)
{
    if (block != NULL) {
        free(header_of(block).raw);
        atomic_fetch_sub(&live, 1);
    }
}

char *mem_copy_text(const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = mem_alloc(bytes, 1);
    memcpy(copy, text, bytes);
    return copy;
}

long mem_live(void)
{
    return atomic_load(&live);
}

void *arena_alloc(Arena *arena, size_t count, size_t size)
{
    size_t bytes = bytes_of(count, size);
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (arena->base == NULL || arena->used + bytes > arena->size) {
        size_t chunk = arena->size * 2 > FIRST_CHUNK ? arena->size * 2 : FIRST_CHUNK;
        if (arena->base != NULL) {
            arena->older = mem_grow(arena->older, arena->n_older + 1, sizeof *arena->older);
            arena->older[arena->n_older++] = arena->base;
            arena->in_older += arena->used;
        }
        arena->size = chunk > bytes ? chunk : bytes;
        arena->base = mem_alloc(arena->size, 1);
        arena->used = 0;
    }
    void *block = arena->base + arena->used;
    arena->used += bytes;
    if (arena->in_older + arena->used > arena->peak) {
        arena->peak = arena->in_older + arena->used;
    }
    return block;
}

void *arena_zeroed(Arena *arena, size_t count, size_t size)
{
    void *block = arena_alloc(arena, count, size);
    memset(block, 0, count * size);
    return block;
}

ArenaMark arena_mark(const Arena *arena)
{
    return (ArenaMark){arena->n_older, arena->used};
}

void arena_release(Arena *arena, ArenaMark mark)
{
    if (arena->n_older == mark.n_older) {  // otherwise the chunk is another one: wait for the reset
        arena->used = mark.used;
    }
}

static void free_older(Arena *arena)
{
    for (size_t i = 0; i < arena->n_older; i++) {
        mem_free(arena->older[i]);
    }
    mem_free(arena->older);
    arena->older = NULL;
    arena->n_older = 0;
    arena->in_older = 0;
}

void arena_reset(Arena *arena)
{
    if (arena->n_older > 0) {
        free_older(arena);
        mem_free(arena->base);
        arena->size = arena->peak + arena->peak / 8;
        arena->base = mem_alloc(arena->size, 1);
    }
    arena->used = 0;
}

void arena_free(Arena *arena)
{
    free_older(arena);
    mem_free(arena->base);
    memset(arena, 0, sizeof *arena);
}
