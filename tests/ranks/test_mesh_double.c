// SPDX-License-Identifier: Apache-2.0
/** Gradients, norm and routing of a batch on every mesh that these ranks can make, against one rank without a mesh; and the usual
 * mistakes, each of which must show.
 *
 * Linked with --wrap=plan_group, so that a routing plan can be damaged between its making and its use. */
#include <stdio.h>
#include <string.h>

#include "math/vec.h"
#include "model/tagger.h"
#include "test_corpus.h"
#include "test_util.h"
#include "train/gradsync.h"

enum { MAX_SENTENCES = 48, TRAINING = 120, HIDDEN = 6 };

static const double TOLERANCE = 1e-12;

/** A model and a batch. */
typedef struct Case {
    const char *name;
    int n_experts, top_k, n_layers, n_groups, n_sentences;
    Capacity capacity;
    SecondExpert second;
} Case;

static const Case CASES[] = {
    {"E 8, K 2, factor 1.25", 8, 2, 1, 8, 40, {1.25, 1}, SECOND_PAPER},
    {"E 8, K 1, factor 0.5", 8, 1, 1, 8, 40, {0.5, 1}, SECOND_PAPER},
    {"E 5, K 2, factor 0.5, two layers", 5, 2, 2, 8, 40, {0.5, 1}, SECOND_CONSERVE},
    {"E 5, K 1, factor 1.25", 5, 1, 1, 8, 40, {1.25, 1}, SECOND_ALL},
    {"E 8, K 2, no drops", 8, 2, 1, 8, 40, {0, 0}, SECOND_ALL},
    {"E 5, K 2, 11 groups", 5, 2, 1, 11, 48, {1.25, 1}, SECOND_PAPER},
    {"E 8, K 2, empty groups", 8, 2, 1, 8, 5, {0.5, 1}, SECOND_PAPER},
};

/** Where a choice of a token went. */
typedef struct Route {
    uint32_t sentence, position;
    int choice, expert, slot;
    ChoiceStatus status;
} Route;

/** What a pass over the batch gives. Gradients: what all ranks hold, touched rows, then expert after expert. */
typedef struct Outcome {
    real *grad;  // [n_common + E * n_expert]; of the experts only those of this rank are filled
    size_t n_common, n_expert;
    int first_expert, last_expert;
    double squares;      // of the whole gradient
    double own_squares;  // of this rank's experts
    Route *route;        // [n_routes] of this rank's groups
    int n_routes;
    double *stats;  // [n_local, n_stats]
    size_t n_stats;
    int first_group, n_local;
} Outcome;

/* ---- a damaged plan ---- */

typedef enum Damage {
    DAMAGE_NONE,
    DAMAGE_BACK,  // rows of two tokens change places on the way home
    DAMAGE_BOTH   // and on the way out too: they come home right, from the wrong experts
} Damage;

static struct {
    Damage kind;
    int done;
} damage;

void __real_plan_group(Plan *plan, const Gate *gate, int group, Arena *arena);
void __wrap_plan_group(Plan *plan, const Gate *gate, int group, Arena *arena);

/** The choice whose row it is. */
static int *owner_of(Plan *plan, int row)
{
    int *choice = plan->row + (size_t)plan->token[row] * (size_t)plan->top_k;
    while (*choice != row) {
        choice++;
    }
    return choice;
}

void __wrap_plan_group(Plan *plan, const Gate *gate, int group, Arena *arena)
{
    __real_plan_group(plan, gate, group, arena);
    if (damage.kind == DAMAGE_NONE || group > 0) {
        return;
    }
    int a = plan->block_start[0], b = plan->n_rows - 1;
    while (plan->token[b] == plan->token[a]) {
        b--;
    }
    int *of_a = owner_of(plan, a), *of_b = owner_of(plan, b);
    CHECK(gate->expert[of_a - plan->row] != gate->expert[of_b - plan->row], "one expert only");
    *of_a = b;
    *of_b = a;
    if (damage.kind == DAMAGE_BOTH) {
        const int token = plan->token[a];
        plan->token[a] = plan->token[b];
        plan->token[b] = token;
    }
    damage.done++;
}

/* ---- one pass ---- */

static TaggerConfig config_of(const Case *c, const Lexicon *lexicon)
{
    return (TaggerConfig){.n_words = lexicon->vocab.vectors.n,
                          .d_word = lexicon->vocab.vectors.dim,
                          .n_chars = lexicon->chars.n,
                          .d_char = 5,
                          .n_filters = 6,
                          .d_cap = 2,
                          .hidden = HIDDEN,
                          .n_layers = c->n_layers,
                          .dropout = 0.3,
                          .ffn = FFN_MOE,
                          .n_experts = c->n_experts,
                          .top_k = c->top_k,
                          .expert_hidden = 7,
                          .second = c->second,
                          .capacity = c->capacity,
                          .balance_loss = 0.1,
                          .z_loss = 0.01,
                          .jitter = 0.05,
                          .n_labels = lexicon->tagset.n_labels,
                          .seed = 3};
}

/** Every expert of this rank to its place among all experts, with the elements of all its tensors side by side. */
static void copy_experts(Outcome *outcome, const Params *experts)
{
    real *to = outcome->grad + outcome->n_common;
    size_t within = 0;
    for (int i = 0; i < experts->n; i++) {
        const Param *param = &experts->param[i];
        const size_t each = param->logical_size / (size_t)experts->n_experts;
        const real *grad = experts->slot[0] + param->offset;
        for (int e = 0; e < param->shape[0]; e++) {
            const size_t expert = param->origin / each + (size_t)e;
            vec_copy(to + expert * outcome->n_expert + within, grad + (size_t)e * each, each);
        }
        within += each;
    }
}

static void copy_routes(Outcome *outcome, const Moe *moe, const Batch *batch)
{
    const int K = moe->plan.top_k;
    outcome->n_routes = moe->plan.n_tok * K;
    outcome->route = MEM_ARRAY(Route, outcome->n_routes);
    for (int i = 0; i < outcome->n_routes; i++) {
        const RngPlace place = batch->place[i / K];
        outcome->route[i] =
            (Route){place.sentence,      place.position,    i % K,
                    moe->gate.expert[i], moe->plan.slot[i], (ChoiceStatus)moe->plan.status[i]};
    }
}

static double squares_of(const real *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)x[i] * (double)x[i];
    }
    return sum;
}

/** mesh NULL: the reference, all groups and experts on this rank, without any message. */
static Outcome pass(const Case *c, TestCorpus *test, const Mesh *mesh)
{
    const int G = c->n_groups;
    const TaggerGroups groups = mesh == NULL ? tagger_groups(0, G) : tagger_groups_of(mesh, G);
    int sentence[MAX_SENTENCES];
    Outcome outcome = {.first_group = groups.first, .n_local = groups.last - groups.first};
    Tagger tagger;
    Gradsync sync = {0};
    BatchMaker maker;
    Batch batch;
    Arena arena = {0};
    for (int i = 0; i < c->n_sentences; i++) {
        sentence[i] = i * 7 % TRAINING;
    }
    tagger_init(&tagger, config_of(c, &test->lexicon), test->lexicon.vocab.vectors.row, NULL, mesh,
                groups);
    if (mesh != NULL) {
        gradsync_init(&sync, mesh, &tagger.params, &tagger.experts, G, false);
    }
    batch_maker_init(&maker, &test->lexicon, 0.5, 9);
    batch_build(&batch, &maker, &test->corpus, sentence, c->n_sentences, G, groups.first,
                groups.last, 5, true, &arena);
    outcome.n_stats = (size_t)outcome.n_local * (size_t)tagger_task(&tagger).n_stats;
    outcome.stats = MEM_ARRAY(double, outcome.n_stats);
    tagger_forward(&tagger, &batch, outcome.stats, true, &arena);
    tagger_backward(&tagger, &batch, &arena);
    if (mesh != NULL) {
        gradsync_finish(&sync);
        outcome.squares = gradsync_squares(&sync);
    } else {
        merge_slots(&tagger.params);
        merge_slots(&tagger.experts);
    }
    outcome.n_common = params_grad_size(&tagger.params);
    outcome.n_expert = params_count(&tagger.experts, PARAM_EXPERT) / (size_t)c->n_experts;
    outcome.first_expert = tagger.experts.first_expert;
    outcome.last_expert = outcome.first_expert + tagger.moe.n_local;
    outcome.grad = MEM_ARRAY(real, outcome.n_common + (size_t)c->n_experts * outcome.n_expert);
    vec_copy(outcome.grad, tagger.params.slot[0], outcome.n_common);
    copy_experts(&outcome, &tagger.experts);
    copy_routes(&outcome, &tagger.moe, &batch);
    outcome.own_squares = squares_of(tagger.experts.slot[0], tagger.experts.size);
    if (mesh == NULL) {
        outcome.squares = squares_of(outcome.grad, outcome.n_common) + outcome.own_squares;
    }
    gradsync_free(&sync);
    arena_free(&arena);
    batch_maker_free(&maker);
    tagger_free(&tagger);
    return outcome;
}

static void outcome_free(Outcome *outcome)
{
    mem_free(outcome->grad);
    mem_free(outcome->route);
    mem_free(outcome->stats);
}

/* ---- comparisons: collective, one answer for all ranks ---- */

static bool near(double got, double want)
{
    return fabs(got - want) <= TOLERANCE * fabs(want);
}

/** First and last element of this rank's experts. */
static size_t own_begin(const Outcome *o)
{
    return o->n_common + (size_t)o->first_expert * o->n_expert;
}

static size_t own_end(const Outcome *o)
{
    return o->n_common + (size_t)o->last_expert * o->n_expert;
}

/** Elements on all ranks that are not what one rank has: not near it, or (bits) not equal to the last bit. */
static int64_t wrong_gradients(const Comm *comm, const Outcome *got, const Outcome *want, bool bits)
{
    int64_t wrong = 0;
    for (size_t i = 0; i < own_end(got); i++) {
        if (i < got->n_common || i >= own_begin(got)) {
            const real *x = &got->grad[i], *y = &want->grad[i];
            wrong += bits ? memcmp(x, y, sizeof *x) != 0 : !near((double)*x, (double)*y);
        }
    }
    comm_sum_int64(comm, &wrong, 1);
    return wrong;
}

/** Ranks whose norm is not that of one rank. */
static int64_t wrong_norms(const Comm *comm, double squares, const Outcome *want)
{
    int64_t wrong = !near(sqrt(squares), sqrt(want->squares));
    comm_sum_int64(comm, &wrong, 1);
    return wrong;
}

static const Route *find_route(const Outcome *outcome, const Route *key)
{
    for (int i = 0; i < outcome->n_routes; i++) {
        const Route *route = &outcome->route[i];
        if (route->sentence == key->sentence && route->position == key->position &&
            route->choice == key->choice) {
            return route;
        }
    }
    return NULL;
}

/** The routes of all ranks together are those of one rank: every one of it, once, with the same fate. */
static void check_routes(const Mesh *mesh, const Outcome *got, const Outcome *want)
{
    int64_t *seen = MEM_ARRAY(int64_t, want->n_routes);
    for (int i = 0; i < got->n_routes; i++) {
        const Route *a = &got->route[i], *b = find_route(want, a);
        CHECK(b != NULL, "sentence %u, position %u: not in the batch", a->sentence, a->position);
        CHECK(a->expert == b->expert && a->slot == b->slot && a->status == b->status,
              "sentence %u, position %u, choice %d: expert %d, slot %d, status %d; want %d, %d, %d",
              a->sentence, a->position, a->choice, a->expert, a->slot, (int)a->status, b->expert,
              b->slot, (int)b->status);
        seen[b - want->route]++;
    }
    comm_sum_int64(&mesh->world, seen, want->n_routes);
    for (int i = 0; i < want->n_routes; i++) {
        CHECK(seen[i] == 1, "choice %d of the batch was routed %ld times", i, (long)seen[i]);
    }
    mem_free(seen);
}

/** Losses and figures of this rank's groups; and the bytes of its rows, which alone depend on the mesh: four times each kept choice
 * whose expert is another rank's. */
static void check_stats(const Outcome *got, const Outcome *want)
{
    const size_t width = want->n_stats / (size_t)want->n_local;
    double bytes = 0;
    for (int g = 0; g < got->n_local; g++) {
        double *stats = got->stats + (size_t)g * width;
        const int group = got->first_group + g;
        bytes += stats[TASK_BYTES];
        stats[TASK_BYTES] = 0;
        CHECK(memcmp(stats, want->stats + (size_t)group * width, width * sizeof *stats) == 0,
              "figures of group %d differ", group);
    }
    for (int i = 0; i < got->n_routes; i++) {
        const Route *route = &got->route[i];
        const bool here = route->expert >= got->first_expert && route->expert < got->last_expert;
        bytes -= route->status == CHOICE_KEPT && !here ? 4.0 * 2 * HIDDEN * sizeof(real) : 0;
    }
    CHECK(bytes == 0, "bytes of rows: %g too many", bytes);
}

/* ---- mistakes ---- */

static void scale(Outcome *outcome, size_t begin, size_t end, double factor)
{
    for (size_t i = begin; i < end; i++) {
        outcome->grad[i] *= (real)factor;
    }
}

/** A wrong factor on elements begin .. end-1 shows, unless it is one; and the right gradient is put back. */
static void check_factor(const Mesh *mesh, Outcome *right, const Outcome *want, size_t begin,
                         size_t end, int factor, const char *name)
{
    const size_t n = own_end(right);
    real *kept = MEM_ARRAY(real, n);
    vec_copy(kept, right->grad, n);
    scale(right, begin, end, factor);
    const int64_t times = wrong_gradients(&mesh->world, right, want, false);
    vec_copy(right->grad, kept, n);
    scale(right, begin, end, 1.0 / factor);
    const int64_t mean = wrong_gradients(&mesh->world, right, want, false);
    vec_copy(right->grad, kept, n);
    CHECK((times > 0) == (factor > 1), "%s: a factor of %d gives %ld wrong elements", name, factor,
          (long)times);
    CHECK((mean > 0) == (factor > 1), "%s: a mean over %d gives %ld wrong elements", name, factor,
          (long)mean);
    mem_free(kept);
}

/** Squares of experts added up over a communicator: of the world it counts every replica, of one rank it forgets the others. */
static double squares_over(const Comm *comm, const Outcome *outcome)
{
    double sum = squares_of(outcome->grad, outcome->n_common);
    double *all = MEM_ARRAY(double, comm->size);
    comm_gather_double(comm, &outcome->own_squares, 1, all);
    for (int r = 0; r < comm->size; r++) {
        sum += all[r];
    }
    mem_free(all);
    return sum;
}

static void check_mistakes(const Case *c, TestCorpus *test, const Mesh *mesh, Outcome *right,
                           const Outcome *want)
{
    const Comm *world = &mesh->world;
    const int ep = mesh->experts.size, dp = mesh->replicas.size;
    const size_t from = own_begin(right), to = own_end(right), common = right->n_common;
    check_factor(mesh, right, want, from, to, ep, "experts, by expert-parallel ranks");
    check_factor(mesh, right, want, from, to, dp, "experts, by replicas");
    check_factor(mesh, right, want, 0, common, dp, "what all ranks hold, by replicas");
    check_factor(mesh, right, want, 0, common, world->size, "what all ranks hold, by ranks");
    check_factor(mesh, right, want, 0, to, world->size, "everything, by ranks");
    check_factor(mesh, right, want, 0, to, c->n_groups, "everything, by groups");

    CHECK(wrong_norms(world, squares_over(&mesh->experts, right), want) == 0, "norm, by hand");
    CHECK((wrong_norms(world, squares_over(world, right), want) > 0) == (dp > 1),
          "the norm of %d replicas counts as one", dp);
    CHECK((wrong_norms(world, squares_over(&mesh->replicas, right), want) > 0) == (world->size > 1),
          "the norm of one shard of %d counts as all", ep);

    for (int kind = DAMAGE_BACK; kind <= DAMAGE_BOTH; kind++) {
        damage.kind = comm_is_root(world) ? (Damage)kind : DAMAGE_NONE;
        damage.done = 0;
        Outcome wrong = pass(c, test, mesh);
        damage.kind = DAMAGE_NONE;
        CHECK(damage.done == comm_is_root(world), "a plan was damaged %d times", damage.done);
        CHECK(wrong_gradients(world, &wrong, want, false) > 0, "damage %d does not show", kind);
        CHECK(wrong_norms(world, wrong.squares, want) == world->size, "damage %d: same norm", kind);
        outcome_free(&wrong);
    }
}

/* ---- all of it ---- */

/** The reference is no empty thing. */
static void check_reference(const Case *c, const Outcome *want)
{
    long count[CHOICE_STATUSES] = {0};
    size_t nonzero = 0;
    for (int i = 0; i < want->n_routes; i++) {
        count[want->route[i].status]++;
    }
    for (size_t i = 0; i < own_end(want); i++) {
        nonzero += want->grad[i] != 0;
    }
    CHECK(count[CHOICE_KEPT] > 0 && (count[CHOICE_DROPPED] > 0) == (c->capacity.factor > 0) &&
              (count[CHOICE_SKIPPED] > 0) == (c->top_k > 1 && c->second != SECOND_ALL),
          "%s: kept %ld, dropped %ld, skipped %ld", c->name, count[CHOICE_KEPT],
          count[CHOICE_DROPPED], count[CHOICE_SKIPPED]);
    CHECK(4 * nonzero > own_end(want), "%s: %zu of %zu gradients", c->name, nonzero, own_end(want));
}

/** One mesh against one rank; returns the square of its norm. */
static double check_mesh(const Case *c, TestCorpus *test, const Mesh *mesh, const Outcome *want)
{
    const Comm *world = &mesh->world;
    const int ep = mesh->experts.size, dp = mesh->replicas.size;
    Outcome got = pass(c, test, mesh);
    CHECK(got.n_common == want->n_common && got.n_expert == want->n_expert, "sizes");
    check_routes(mesh, &got, want);
    check_stats(&got, want);
    const int64_t far = wrong_gradients(world, &got, want, false),
                  unequal = wrong_gradients(world, &got, want, true);
    CHECK(far == 0, "%s, %d x %d ranks: %ld gradients are wrong", c->name, ep, dp, (long)far);
    CHECK(unequal == 0, "%s, %d x %d ranks: %ld gradients differ in their last bits", c->name, ep,
          dp, (long)unequal);
    CHECK(wrong_norms(world, got.squares, want) == 0, "%s, %d x %d ranks: norm %.17g, want %.17g",
          c->name, ep, dp, sqrt(got.squares), sqrt(want->squares));
    check_mistakes(c, test, mesh, &got, want);
    const double squares = got.squares;
    outcome_free(&got);
    return squares;
}

static void check_case(const Case *c, TestCorpus *test, const Comm *comm)
{
    Outcome want = pass(c, test, NULL);
    double squares = 0;
    check_reference(c, &want);
    for (int ep = 1; ep <= comm->size; ep++) {
        if (comm->size % ep == 0) {
            Mesh mesh = {.world = *comm};
            mesh_init(&mesh, ep);
            const double found = check_mesh(c, test, &mesh, &want);
            CHECK(ep == 1 || memcmp(&squares, &found, sizeof found) == 0,
                  "%s, %d x %d ranks: the norm differs in its last bits", c->name, ep,
                  comm->size / ep);
            squares = found;
            mesh_free(&mesh);
        }
    }
    if (comm_is_root(comm)) {
        printf("%s: gradients equal to the last bit\n", c->name);
    }
    outcome_free(&want);
}

int main(int argc, char **argv)
{
    Comm comm;
    TestCorpus test;
    comm_init(&comm, &argc, &argv);
    test_corpus_init(&test, TRAINING);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        check_case(&CASES[i], &test, &comm);
    }
    test_corpus_free(&test);
    comm_free(&comm);
    CHECK(mem_live() == 0, "%ld blocks are left", mem_live());
    return 0;
}
