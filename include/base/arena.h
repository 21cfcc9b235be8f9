// SPDX-License-Identifier: Apache-2.0
/** All memory: counted blocks for the life of a run, and an arena for the life of a step.
 *
 * Only this module calls malloc.  The count of live blocks is zero at exit, and a test says so.
 *
 *     step begins          forward                      backward               step ends
 *     [................]   [acts|acts|acts|..........]  [acts|acts|..|tmp|..]  arena_reset(a, mark)
 *
 * An arena grows when it must (a first, larger batch) and keeps what it has, so that a steady step allocates nothing.
 */
#ifndef MOE_BASE_ARENA_H
#define MOE_BASE_ARENA_H

#include <stddef.h>

/** A zeroed block of count * size bytes, 64-byte aligned for vector loads; stops all ranks when there is no memory.
 * count 0 gives a valid, empty block. Large blocks cost no physical memory until they are written. Local. */
void *mem_alloc(size_t count, size_t size);

/** Resize a block (NULL: a new one) to count * size bytes, aligned as before; the new part is not zeroed.  A large
 * block moves without a copy, so that growing never needs the memory twice. Local. */
void *mem_grow(void *block, size_t count, size_t size);

/** Free a block; NULL is legal. Local. */
void mem_free(void *block);

/** A copy of a string, freed with mem_free(). Local. */
char *mem_copy_text(const char *text);

/** Blocks that are allocated and not freed. Local. */
long mem_live(void);

/** Step memory: blocks in a row, given back all at once. Zeroed struct: empty and valid. */
typedef struct Arena {
    char *base;    // current chunk
    size_t size;   // bytes of the current chunk
    size_t used;   // bytes used of it
    void **older;  // [n_older] earlier chunks, still referenced, freed at the next full reset
    size_t n_older;
    size_t peak;      // most bytes ever in use at once
    size_t in_older;  // bytes used in the earlier chunks
} Arena;

/** count * size bytes, 64-byte aligned, not zeroed. Local. */
void *arena_alloc(Arena *arena, size_t count, size_t size);

/** The same, zeroed. */
void *arena_zeroed(Arena *arena, size_t count, size_t size);

/** Where the arena stands, and back to there: for scratch that a function needs only while it runs. */
typedef struct ArenaMark {
    size_t n_older, used;
} ArenaMark;
ArenaMark arena_mark(const Arena *arena);
void arena_release(Arena *arena, ArenaMark mark);

/** Give everything back. When the last step needed several chunks, they become one. Local. */
void arena_reset(Arena *arena);

void arena_free(Arena *arena);

/** Typed shorthands. */
#define ARENA_ARRAY(arena, type, count)                                                            \
    ((type *)arena_alloc((arena), (size_t)(count), sizeof(type)))
#define ARENA_ZEROED(arena, type, count)                                                           \
    ((type *)arena_zeroed((arena), (size_t)(count), sizeof(type)))
#define MEM_ARRAY(type, count) ((type *)mem_alloc((size_t)(count), sizeof(type)))

#endif
