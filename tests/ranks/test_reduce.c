// SPDX-License-Identifier: Apache-2.0
/** Sums over groups across ranks against the tree on one rank; agreement on failures; shares of groups. */
#include <stdio.h>
#include <string.h>

#include "comm/reduce.h"
#include "test_util.h"

enum { MAX_GROUPS = 40, MAX_N = 1000, SUMS = 4 };

/** Number i of group g: of very different sizes, so that every other order of adding gives other bits. */
static real term(int g, size_t i, uint32_t round)
{
    Draws draws = draws_init(round * 100 + (uint32_t)g);
    draws.place.sentence = (uint32_t)i;
    const real x = draw_real(&draws);
    return x * (real)(1 << draw_below(&draws, 20));
}

/** The nodes of this rank as the backward pass leaves them; at least one buffer. */
static int make_nodes(real *memory, real **buffer, const Comm *comm, int n_groups, size_t n,
                      uint32_t round)
{
    TreeNode node[TREE_MAX_NODES];
    int first, last;
    comm_groups(comm, n_groups, &first, &last);
    const int n_nodes = tree_nodes(first, last, node);
    for (int k = 0; k < n_nodes || k == 0; k++) {
        buffer[k] = memory + (size_t)k * (n + 1);
        for (size_t i = 0; i <= n; i++) {
            buffer[k][i] = (real)NAN;
        }
        for (size_t i = 0; i < n && k < n_nodes; i++) {
            real x[MAX_GROUPS];
            for (int g = 0; g < last; g++) {
                x[g] = term(g, i, round);
            }
            buffer[k][i] = tree_sum(x, last, node[k].start, node[k].size);
        }
    }
    return n_nodes;
}

/** One buffer set for many sums of changing length and number of groups, as a run would not do but may. */
static void check_sums(const Comm *comm)
{
    static const int GROUPS[] = {1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 17, 31, 32, 33, MAX_GROUPS};
    static const size_t LENGTH[] = {1, 0, 2, 3, 5, 7, 64, 101};
    static real memory[TREE_MAX_NODES * (MAX_N + 1)];
    real *buffer[TREE_MAX_NODES];
    Reduce reduce = {0};
    uint32_t round = 0;
    for (size_t a = 0; a < sizeof GROUPS / sizeof GROUPS[0]; a++) {
        for (size_t b = 0; b < sizeof LENGTH / sizeof LENGTH[0]; b++, round++) {
            const int G = GROUPS[a];
            const size_t n = b == 7 && a % 5 == 0 ? MAX_N : LENGTH[b];
            make_nodes(memory, buffer, comm, G, n, round);
            reduce_tree(&reduce, comm, G, buffer, n);
            for (size_t i = 0; i < n; i++) {
                real x[MAX_GROUPS];
                for (int g = 0; g < G; g++) {
                    x[g] = term(g, i, round);
                }
                const real want = tree_sum(x, G, 0, power_of_two(G));
                CHECK(memcmp(&buffer[0][i], &want, sizeof want) == 0,
                      "rank %d of %d: sum %zu of %zu over %d groups: %.9g, want %.9g", comm->rank,
                      comm->size, i, n, G, (double)buffer[0][i], (double)want);
            }
            CHECK(isnan(buffer[0][n]), "rank %d: written beyond %zu numbers", comm->rank, n);
        }
    }
    reduce_free(&reduce);
    reduce_free(&reduce);
}

/** Several sums under way at once, each with a tag: begun together, gathered and finished later, used again. The plain ones add
 * in another order, so they are equal but for rounding. */
static void check_in_flight(const Comm *comm)
{
    static const size_t LENGTH[SUMS] = {200, 3, 0, 117};
    static real memory[SUMS][TREE_MAX_NODES * (MAX_N + 1)];
    Reduce reduce[SUMS] = {0};
    for (uint32_t turn = 0; turn < 15; turn++) {
        const int G = 1 + (int)(turn * turn) % MAX_GROUPS;
        const uint32_t round = 1000 + SUMS * turn;
        const bool plain = turn % 3 == 0;
        real *buffer[SUMS][TREE_MAX_NODES];
        for (uint32_t k = 0; k < SUMS; k++) {
            make_nodes(memory[k], buffer[k], comm, G, LENGTH[k], round + k);
            reduce_begin(&reduce[k], comm, G, buffer[k], LENGTH[k], (int)k, plain);
        }
        for (int k = 0; k < SUMS; k++) {
            reduce_gather(&reduce[k]);
        }
        for (uint32_t k = SUMS; k-- > 0;) {
            reduce_wait(&reduce[k]);
            for (size_t i = 0; i < LENGTH[k]; i++) {
                real x[MAX_GROUPS];
                double exact = 0, size = 0;
                for (int g = 0; g < G; g++) {
                    x[g] = term(g, i, round + k);
                    exact += (double)x[g];
                    size += fabs((double)x[g]);
                }
                const real got = buffer[k][0][i], want = tree_sum(x, G, 0, power_of_two(G));
                CHECK(plain || memcmp(&got, &want, sizeof want) == 0,
                      "rank %d of %d: number %zu of sum %u over %d groups: %.9g, want %.9g",
                      comm->rank, comm->size, i, k, G, (double)got, (double)want);
                CHECK(fabs((double)got - exact) <= 1e-6 * size,
                      "rank %d of %d: number %zu of sum %u over %d groups: %.9g is not %.9g",
                      comm->rank, comm->size, i, k, G, (double)got, exact);
            }
            CHECK(isnan(buffer[k][0][LENGTH[k]]), "sum %u: written beyond its end", k);
        }
    }
    for (int k = 0; k < SUMS; k++) {
        reduce_free(&reduce[k]);
    }
}

/** Every set of failing ranks: all ranks get the text of the lowest. */
static void check_agreement(const Comm *comm)
{
    for (int failing = 0; failing < 1 << comm->size; failing++) {
        Status status = failing >> comm->rank & 1
                            ? status_error(CODE_INPUT + comm->rank % 2, "rank %d of set %d",
                                           comm->rank, failing)
                            : status_ok();
        int lowest = 0;
        status = comm_agree(comm, status);
        while (failing != 0 && !(failing >> lowest & 1)) {
            lowest++;
        }
        const Status want =
            status_error(CODE_INPUT + lowest % 2, "rank %d of set %d", lowest, failing);
        CHECK(status.code == (failing ? want.code : CODE_OK), "set %d: code %d", failing,
              status.code);
        CHECK(failing == 0 || strcmp(status.text, want.text) == 0, "set %d: '%s'", failing,
              status.text);
    }
}

/** Runs of groups follow each other, end at the last, and differ by at most one. */
static void check_groups(const Comm *comm)
{
    for (int G = 0; G <= MAX_GROUPS; G++) {
        int first, last, ends[2];
        comm_groups(comm, G, &first, &last);
        CHECK(last - first == G / comm->size || last - first == (G + comm->size - 1) / comm->size,
              "%d of %d groups", last - first, G);
        double run[2] = {first, last}, all[2 * 64];
        CHECK(comm->size <= 64, "too many ranks for this test: %d", comm->size);
        comm_gather_double(comm, run, 2, all);
        for (int r = 0; r <= comm->size; r++) {
            const double before = r == 0 ? 0 : all[2 * r - 1],
                         after = r == comm->size ? G : all[2 * r];
            CHECK(before == after, "a hole in %d groups at rank %d", G, r);
        }
        ends[0] = -first;
        ends[1] = last;
        comm_max_int(comm, ends, 2);
        CHECK(ends[0] == 0 && ends[1] == G, "%d groups: %d to %d", G, -ends[0], ends[1]);
    }
}

static void check_collectives(const Comm *comm)
{
    double most[2] = {comm->rank, -comm->rank};
    int64_t sum[2] = {comm->rank, (int64_t)1 << 40};
    comm_max_double(comm, most, 2);
    comm_sum_int64(comm, sum, 2);
    CHECK(most[0] == comm->size - 1 && most[1] == 0, "maximum %g %g", most[0], most[1]);
    CHECK(sum[0] == comm->size * (comm->size - 1) / 2 && sum[1] == (int64_t)comm->size << 40,
          "sum");
    CHECK(comm_is_root(comm) == (comm->rank == 0), "root");
}

int main(int argc, char **argv)
{
    Comm comm;
    comm_init(&comm, &argc, &argv);
    check_groups(&comm);
    check_collectives(&comm);
    check_agreement(&comm);
    check_sums(&comm);
    check_in_flight(&comm);
    if (comm_is_root(&comm)) {
        printf("reduce on %d ranks: right\n", comm.size);
    }
    comm_free(&comm);
    CHECK(mem_live() == 0, "%ld blocks are left", mem_live());
    return 0;
}
