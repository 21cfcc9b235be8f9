// SPDX-License-Identifier: Apache-2.0
/** Rows on their way to the owners of their experts and back, on random layouts; the map of ranks; what a wrong count does.
 *
 * A row says who it is: (world rank of its sender, expert, index, round, pass).  The owner finds exactly the rows that the seed
 * says the ranks of its set have for its experts, in order, and signs each with its own rank and the place where it lay.  The
 * sender knows from the seed which signature must come home.
 *
 * `test_exchange corrupt KIND` plants a wrong count instead: one line on standard error, and a non-zero exit code.
 */
#include <stdio.h>
#include <string.h>

#include "comm/exchange.h"
#include "test_util.h"

enum {
    LAYOUTS = 1000,
    KINDS = 9,
    MAX_SIZE = 64,
    MAX_EXPERTS = 48,
    MAX_ROUNDS = 4,
    PASSES = 2,
    SIGNED = 7,  // reals that a row needs for its name and the owner's signature
    GUARD = -77
};

/** What all ranks know of one layout; the counts follow from it, see count_of(). */
typedef struct Layout {
    uint32_t number;
    int kind, n_experts, n_rounds, d, hot;  // hot: the one expert, or the one rank
} Layout;

/** One round of one rank. */
typedef struct Round {
    int sent[MAX_EXPERTS];
    Exchange exchange;
    real *home, *there, *reply, *back;  // rows here, at the owner, signed, come home
} Round;

/** What the layouts have been, so that none of these cases is only believed to be covered. */
typedef struct Seen {
    int empty_rank, empty_world, one_expert, idle_rank, few_rows, in_flight;
} Seen;

/* ---- the map of ranks ---- */

/** Blocks follow each other, end at the last, and differ by at most one. */
static void check_experts(void)
{
    for (int n = 1; n <= MAX_SIZE; n++) {
        for (int E = 0; E <= MAX_EXPERTS; E++) {
            int end = 0;
            for (int i = 0; i < n; i++) {
                int first, last;
                mesh_experts(E, n, i, &first, &last);
                CHECK(first == end, "%d experts, rank %d of %d: from %d, not %d", E, i, n, first,
                      end);
                CHECK(last - first == E / n || last - first == (E + n - 1) / n,
                      "%d experts, rank %d of %d: %d of them", E, i, n, last - first);
                end = last;
            }
            CHECK(end == E, "%d experts on %d ranks: only %d", E, n, end);
        }
    }
}

static void check_default_size(void)
{
    for (int n = 1; n <= MAX_SIZE; n++) {
        for (int E = 1; E <= MAX_EXPERTS; E++) {
            int want = 0;
            for (int size = 1; size <= n; size++) {
                want = n % size == 0 && size <= E ? size : want;
            }
            CHECK(mesh_default_size(n, E) == want, "%d ranks, %d experts: sets of %d, not %d", n, E,
                  mesh_default_size(n, E), want);
        }
    }
}

/** Rank i of a part of the world is who it says, and stands where comm_world_rank() says. */
static void check_part(const Comm *world, const Comm *part, int size, int rank, int (*number)(int),
                       const char *name)
{
    double all[MAX_SIZE], own = world->rank;
    CHECK(part->size == size && part->rank == rank, "rank %d: rank %d of %d in its %s", world->rank,
          part->rank, part->size, name);
    comm_gather_double(part, &own, 1, all);
    for (int r = 0; r < size; r++) {
        CHECK(all[r] == comm_world_rank(part, r) && all[r] == number(r),
              "rank %d: rank %d of its %s is %g, not %d", world->rank, r, name, all[r],
              comm_world_rank(part, r));
    }
}

static int ep_of_mesh, rank_of_world;

static int number_in_set(int r)
{
    return rank_of_world - rank_of_world % ep_of_mesh + r;
}

static int number_of_replica(int r)
{
    return rank_of_world % ep_of_mesh + r * ep_of_mesh;
}

static void check_mesh(const Mesh *mesh, int ep)
{
    const Comm *world = &mesh->world;
    ep_of_mesh = ep;
    rank_of_world = world->rank;
    check_part(world, &mesh->experts, ep, world->rank % ep, number_in_set, "set");
    check_part(world, &mesh->replicas, world->size / ep, world->rank / ep, number_of_replica,
               "replicas");
    for (int G = 0; G <= 40; G++) {
        int first, last, own_first, own_last, set_first, set_last, end;
        mesh_groups(mesh, G, &set_first, &set_last);
        end = set_first;
        for (int r = 0; r < ep; r++) {
            mesh_groups_of(mesh, G, r, &first, &last);
            CHECK(first == end && last >= first, "%d groups: a hole at rank %d of a set", G, r);
            end = last;
        }
        CHECK(end == set_last, "%d groups: the set ends at %d, not %d", G, end, set_last);
        mesh_groups_of(mesh, G, mesh->experts.rank, &first, &last);
        comm_groups(world, G, &own_first, &own_last);
        CHECK(first == own_first && last == own_last, "%d groups: two opinions of rank %d", G,
              world->rank);
        double run[2] = {set_first, set_last}, all[2 * MAX_SIZE];
        comm_gather_double(&mesh->replicas, run, 2, all);
        for (int set = 0; set <= world->size / ep; set++) {
            CHECK((set == 0 ? 0 : all[2 * set - 1]) == (set == world->size / ep ? G : all[2 * set]),
                  "%d groups: a hole at set %d", G, set);
        }
    }
}

/** Between any two ranks, and nobody else's bytes change. */
static void check_copy(const Comm *comm)
{
    static const size_t LENGTH[] = {0, 1, 1000, 200000};
    static unsigned char bytes[200001];
    for (size_t k = 0; k < sizeof LENGTH / sizeof LENGTH[0]; k++) {
        for (int pair = 0; pair < comm->size * comm->size; pair++) {
            const int from = pair / comm->size, to = pair % comm->size;
            const size_t n = LENGTH[k];
            memset(bytes, 100 + comm->rank, sizeof bytes);
            comm_copy(comm, bytes, n, from, to);
            const int want = 100 + (comm->rank == to ? from : comm->rank);
            CHECK(n == 0 || (bytes[0] == want && memcmp(bytes, bytes + 1, n - 1) == 0),
                  "%zu bytes from %d to %d: rank %d has %d", n, from, to, comm->rank, bytes[0]);
            CHECK(bytes[n] == 100 + comm->rank, "%zu bytes from %d to %d: one more at rank %d", n,
                  from, to, comm->rank);
        }
    }
}

/* ---- layouts ---- */

static Layout draw_layout(uint32_t number, int n_ranks)
{
    Draws draws = draws_init(number);
    Layout layout = {.number = number, .kind = (int)number % KINDS};
    layout.n_experts = draw_between(&draws, 1, 12);
    layout.n_rounds = draw_between(&draws, 1, MAX_ROUNDS);
    layout.d = SIGNED + draw_below(&draws, 3) + (number % 7 == 0 ? 400 : 0);
    if (layout.kind == 5) {
        layout.n_experts = draw_between(&draws, 30, MAX_EXPERTS);
    } else if (layout.kind == 6) {
        layout.n_experts = draw_between(&draws, 1, n_ranks);
    }
    layout.hot = draw_below(&draws, layout.kind == 8 ? n_ranks : layout.n_experts);
    return layout;
}

/** Rows that a rank of the world has for an expert. */
static int count_of(const Layout *layout, int round, int rank, int expert)
{
    Draws rank_draws = draws_init(7919 * layout->number + 1), draws;
    rank_draws.place.sentence = (uint32_t)(round * MAX_SIZE + rank);
    const int fate = draw_below(&rank_draws, 1000);
    draws = rank_draws;
    draws.place.position = 1000 + (uint32_t)expert;
    switch (layout->kind) {
    case 0:
        return draw_below(&draws, 5);
    case 1:
        return 0;
    case 2:
        return fate % 2 ? 0 : draw_below(&draws, 4);
    case 3:
        return expert == layout->hot ? fate % 40 : 0;
    case 4:
        return expert == fate % layout->n_experts ? 1 + fate % 7 : 0;
    case 5:
        return draw_below(&draws, 20) == 0;
    case 6:
        return draw_below(&draws, 6);
    case 7:
        return fate % 3 == 0 ? 60 * draw_below(&draws, 2) : draw_below(&draws, 2);
    default:
        return rank == layout->hot ? draw_below(&draws, 9) : 0;
    }
}

static int rows_of(const Layout *layout, int round, int rank)
{
    int n = 0;
    for (int e = 0; e < layout->n_experts; e++) {
        n += count_of(layout, round, rank, e);
    }
    return n;
}

static void note_layout(Seen *seen, const Layout *layout, const Comm *set)
{
    int rows = 0, first, last, hot = 1;
    for (int r = 0; r < set->size; r++) {
        const int rank = comm_world_rank(set, r), n = rows_of(layout, 0, rank);
        mesh_experts(layout->n_experts, set->size, r, &first, &last);
        seen->idle_rank += first == last;
        seen->empty_rank += n == 0;
        hot &= n == count_of(layout, 0, rank, layout->hot % layout->n_experts);
        rows += n;
    }
    seen->empty_world += rows == 0;
    seen->one_expert += rows > 1 && hot;
    seen->few_rows += rows > 0 && rows < layout->n_experts;
    seen->in_flight += layout->n_rounds > 2 && rows > 0;
}

/* ---- one layout: the same order of calls as the layer's ---- */

static real *guarded(Arena *arena, int n, int d)
{
    real *rows = ARENA_ARRAY(arena, real, (n + 1) * d);
    for (int i = 0; i < (n + 1) * d; i++) {
        rows[i] = GUARD;
    }
    return rows;
}

static void check_guard(const real *rows, int n, int d, const char *what)
{
    for (int i = 0; i < d; i++) {
        CHECK(rows[n * d + i] == GUARD, "written beyond the %d rows %s", n, what);
    }
}

static void name_row(real *row, int d, int rank, int expert, int index, int round, int pass)
{
    for (int i = 0; i < d; i++) {
        row[i] = (real)i;
    }
    row[0] = (real)rank;
    row[1] = (real)expert;
    row[2] = (real)index;
    row[3] = (real)round;
    row[4] = (real)pass;
}

static bool has_name(const real *row, int d, int rank, int expert, int index, int round, int pass)
{
    bool ok = row[0] == (real)rank && row[1] == (real)expert && row[2] == (real)index &&
              row[3] == (real)round && row[4] == (real)pass;
    for (int i = SIGNED; i < d; i++) {
        ok = ok && row[i] == (real)i;
    }
    return ok;
}

static void begin_counts(Round *round, const Layout *layout, int i, const Comm *world,
                         const Comm *set, Arena *arena)
{
    for (int e = 0; e < layout->n_experts; e++) {
        round->sent[e] = count_of(layout, i, world->rank, e);
    }
    exchange_counts(&round->exchange, set, layout->n_experts, round->sent, layout->d, arena);
}

static void begin_out(Round *round, const Layout *layout, int i, int pass, const Comm *world,
                      Arena *arena)
{
    const int d = layout->d, n = round->exchange.n_send;
    round->home = guarded(arena, n, d);
    // A rank without any rows may pass one address twice, as two empty blocks of an arena do.
    round->there = n == 0 && round->exchange.n_receive == 0
                       ? round->home
                       : guarded(arena, round->exchange.n_receive, d);
    for (int e = 0, row = 0; e < layout->n_experts; e++) {
        for (int index = 0; index < round->sent[e]; index++, row++) {
            name_row(round->home + row * d, d, world->rank, e, index, i, pass);
        }
    }
    exchange_out(&round->exchange, round->home, round->there, d);
}

/** Every row lies at its expert's owner, by rank, expert and index, and there is no other row. */
static void check_landed(const Round *round, const Layout *layout, int i, int pass, const Comm *set)
{
    int first, last, n = 0;
    mesh_experts(layout->n_experts, set->size, set->rank, &first, &last);
    for (int r = 0; r < set->size; r++) {
        const int sender = comm_world_rank(set, r);
        for (int e = first; e < last; e++) {
            const int count = count_of(layout, i, sender, e);
            const int said = round->exchange.received[r * (last - first) + e - first];
            CHECK(said == count, "layout %u: %d rows for expert %d from rank %d, not %d",
                  layout->number, said, e, sender, count);
            for (int index = 0; index < count; index++, n++) {
                const real *row = round->there + n * layout->d;
                CHECK(row[1] >= (real)first && row[1] < (real)last,
                      "layout %u: a row for expert %g at rank %d of the set, which owns %d to %d",
                      layout->number, (double)row[1], set->rank, first, last - 1);
                CHECK(has_name(row, layout->d, sender, e, index, i, pass),
                      "layout %u: row %d at rank %d of the set is (%g, %g, %g, %g, %g), not "
                      "(%d, %d, %d, %d, %d)",
                      layout->number, n, set->rank, (double)row[0], (double)row[1], (double)row[2],
                      (double)row[3], (double)row[4], sender, e, index, i, pass);
            }
        }
    }
    CHECK(n == round->exchange.n_receive, "layout %u: %d rows, not %d", layout->number,
          round->exchange.n_receive, n);
    check_guard(round->there, n, layout->d, "at the owner");
}

static void begin_back(Round *round, const Layout *layout, const Comm *world, Arena *arena)
{
    const int d = layout->d, n = round->exchange.n_receive;
    round->reply = guarded(arena, n, d);
    round->back = n == 0 && round->exchange.n_send == 0 ? round->reply
                                                        : guarded(arena, round->exchange.n_send, d);
    memcpy(round->reply, round->there, (size_t)n * (size_t)d * sizeof(real));
    for (int row = 0; row < n; row++) {
        round->reply[row * d + 5] = (real)world->rank;
        round->reply[row * d + 6] = (real)row;
    }
    exchange_back(&round->exchange, round->reply, round->back, d);
}

/** Rank of the set that owns an expert, found by looking. */
static int owner_of(const Layout *layout, int expert, const Comm *set)
{
    for (int r = 0; r < set->size; r++) {
        int first, last;
        mesh_experts(layout->n_experts, set->size, r, &first, &last);
        if (first <= expert && expert < last) {
            return r;
        }
    }
    return -1;
}

/** Rows that lie at the owner of an expert before this rank's first for it. */
static int rows_before(const Layout *layout, int i, int expert, int owner, const Comm *set)
{
    int first, last, n = 0;
    mesh_experts(layout->n_experts, set->size, owner, &first, &last);
    for (int r = 0; r <= set->rank; r++) {
        for (int e = first; e < (r == set->rank ? expert : last); e++) {
            n += count_of(layout, i, comm_world_rank(set, r), e);
        }
    }
    return n;
}

/** Every row is back at its place, with the signature of its expert's owner. */
static void check_home(const Round *round, const Layout *layout, int i, int pass, const Comm *world,
                       const Comm *set)
{
    const int d = layout->d;
    int n = 0;
    for (int e = 0; e < layout->n_experts; e++) {
        const int count = count_of(layout, i, world->rank, e), owner = owner_of(layout, e, set),
                  before = rows_before(layout, i, e, owner, set);
        for (int index = 0; index < count; index++, n++) {
            const real *row = round->back + n * d;
            CHECK(has_name(row, d, world->rank, e, index, i, pass),
                  "layout %u: row %d of rank %d comes home as (%g, %g, %g, %g, %g)", layout->number,
                  n, world->rank, (double)row[0], (double)row[1], (double)row[2], (double)row[3],
                  (double)row[4]);
            CHECK(row[5] == (real)comm_world_rank(set, owner) && row[6] == (real)(before + index),
                  "layout %u: row %d of rank %d for expert %d was row %g at rank %g, not %d at %d",
                  layout->number, n, world->rank, e, (double)row[6], (double)row[5], before + index,
                  comm_world_rank(set, owner));
        }
    }
    CHECK(n == round->exchange.n_send, "layout %u: sent %d rows, not %d", layout->number,
          round->exchange.n_send, n);
    check_guard(round->back, n, d, "at home");
    check_guard(round->home, n, d, "to send");
}

/** Bytes to other ranks: this rank's rows out, and rows of others back, in each pass. */
static void check_bytes(const Round *round, const Layout *layout, int i, const Comm *world,
                        const Comm *set)
{
    int first, last, rows = 0;
    mesh_experts(layout->n_experts, set->size, set->rank, &first, &last);
    for (int e = 0; e < layout->n_experts; e++) {
        rows += e < first || e >= last ? round->sent[e] : 0;
        for (int r = 0; r < set->size && e >= first && e < last; r++) {
            rows += r != set->rank ? count_of(layout, i, comm_world_rank(set, r), e) : 0;
        }
    }
    CHECK(round->exchange.bytes == (double)(PASSES * rows * layout->d) * (double)sizeof(real),
          "layout %u: rank %d says that it sent %g bytes", layout->number, world->rank,
          round->exchange.bytes);
}

/** The layer's forward order: while one round travels, others are on their way or wait for their counts. */
static void carry_forward(Round *round, const Layout *layout, const Comm *world, const Comm *set,
                          Arena *arena)
{
    for (int i = 0; i < layout->n_rounds + 3; i++) {
        if (i < layout->n_rounds) {
            begin_counts(&round[i], layout, i, world, set, arena);
        }
        if (i >= 1 && i - 1 < layout->n_rounds) {
            exchange_wait_counts(&round[i - 1].exchange);
            begin_out(&round[i - 1], layout, i - 1, 0, world, arena);
        }
        if (i >= 2 && i - 2 < layout->n_rounds) {
            exchange_wait(&round[i - 2].exchange);
            check_landed(&round[i - 2], layout, i - 2, 0, set);
            begin_back(&round[i - 2], layout, world, arena);
        }
        if (i >= 3) {
            exchange_wait(&round[i - 3].exchange);
            check_home(&round[i - 3], layout, i - 3, 0, world, set);
        }
    }
}

/** Its backward order: the same exchanges once more, all of them on the way home at once. */
static void carry_backward(Round *round, const Layout *layout, const Comm *world, const Comm *set,
                           Arena *arena)
{
    for (int i = 0; i < layout->n_rounds + 1; i++) {
        if (i < layout->n_rounds) {
            begin_out(&round[i], layout, i, 1, world, arena);
        }
        if (i >= 1) {
            exchange_wait(&round[i - 1].exchange);
            check_landed(&round[i - 1], layout, i - 1, 1, set);
            begin_back(&round[i - 1], layout, world, arena);
        }
    }
    for (int i = 0; i < layout->n_rounds; i++) {
        exchange_wait(&round[i].exchange);
        check_home(&round[i], layout, i, 1, world, set);
        check_bytes(&round[i], layout, i, world, set);
    }
}

static void check_layout(const Layout *layout, const Mesh *mesh, Arena *arena)
{
    static Round round[MAX_ROUNDS];
    const Comm *set = &mesh->experts;
    long sent = 0, received = 0;
    carry_forward(round, layout, &mesh->world, set, arena);
    carry_backward(round, layout, &mesh->world, set, arena);
    for (int i = 0; i < layout->n_rounds; i++) {
        sent += round[i].exchange.n_send;
        received += round[i].exchange.n_receive;
    }
    exchange_check(set, sent, received);
    arena_reset(arena);
}

/** All sets at once, each with its own rows; the size of the sets goes round all divisors of the world. */
static void check_layouts(const Comm *world)
{
    Mesh mesh[MAX_SIZE] = {0};
    Arena arena = {0};
    Seen seen = {0};
    int n_meshes = 0;
    for (int ep = 1; ep <= world->size; ep++) {
        if (world->size % ep == 0) {
            mesh[n_meshes].world = *world;
            mesh_init(&mesh[n_meshes], ep);
            check_mesh(&mesh[n_meshes++], ep);
        }
    }
    for (uint32_t number = 0; number < LAYOUTS; number++) {
        const Layout layout = draw_layout(number, world->size);
        const Mesh *used = &mesh[number / KINDS % (uint32_t)n_meshes];
        note_layout(&seen, &layout, &used->experts);
        check_layout(&layout, used, &arena);
    }
    CHECK(seen.empty_rank > 50 && seen.empty_world > 50 && seen.one_expert > 50 &&
              seen.few_rows > 50 && seen.in_flight > 50 && (seen.idle_rank > 5 || world->size == 1),
          "the layouts are not what they should be: %d %d %d %d %d %d", seen.empty_rank,
          seen.empty_world, seen.one_expert, seen.few_rows, seen.in_flight, seen.idle_rank);
    while (n_meshes > 0) {
        mesh_free(&mesh[--n_meshes]);
    }
    arena_free(&arena);
}

/* ---- a wrong count ---- */

static void corrupt(const Comm *comm, const char *kind)
{
    const Layout layout = {.number = 1, .kind = 0, .n_experts = 2 * comm->size, .d = SIGNED};
    const bool mine = comm->rank == comm->size - 1;
    Mesh mesh = {.world = *comm};
    Arena arena = {0};
    Round round;
    mesh_init(&mesh, comm->size);
    for (int e = 0; e < layout.n_experts; e++) {
        round.sent[e] = 2;
    }
    if (mine && strcmp(kind, "negative") == 0) {
        round.sent[0] = -3;
    }
    exchange_counts(&round.exchange, &mesh.experts, layout.n_experts, round.sent, layout.d, &arena);
    if (mine && strcmp(kind, "more") == 0) {
        round.sent[0] += 1;
    } else if (mine && strcmp(kind, "fewer") == 0) {
        round.sent[0] -= 1;
    }
    exchange_wait_counts(&round.exchange);
    begin_out(&round, &layout, 0, 0, comm, &arena);
    exchange_wait(&round.exchange);
    exchange_check(&mesh.experts,
                   round.exchange.n_send + (mine && strcmp(kind, "lost") == 0 ? 5 : 0),
                   round.exchange.n_receive);
    mesh_free(&mesh);
    arena_free(&arena);
}

int main(int argc, char **argv)
{
    Comm comm;
    comm_init(&comm, &argc, &argv);
    CHECK(comm.size <= MAX_SIZE, "too many ranks for this test: %d", comm.size);
    if (argc == 3 && strcmp(argv[1], "corrupt") == 0) {
        corrupt(&comm, argv[2]);
    } else {
        check_experts();
        check_default_size();
        check_copy(&comm);
        check_layouts(&comm);
        if (comm_is_root(&comm)) {
            printf("exchange on %d ranks: %d layouts right\n", comm.size, LAYOUTS);
        }
    }
    comm_free(&comm);
    CHECK(mem_live() == 0, "%ld blocks are left", mem_live());
    return 0;
}
