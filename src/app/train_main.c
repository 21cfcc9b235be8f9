// SPDX-License-Identifier: Apache-2.0
// moe_train: options -> corpora -> lexicon -> tagger -> trainer -> tables.
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/model_file.h"
#include "app/resume.h"
#include "app/selftest.h"
#include "app/train_settings.h"
#include "base/clock.h"
#include "base/tree.h"
#include "comm/signals.h"
#include "comm/watch.h"
#include "math/gemm.h"
#include "train/evaluate.h"
#include "train/warmstart.h"

/** Everything that lives as long as the program. */
typedef struct Session {
    Mesh mesh;
    Options options;
    Option table[TRAIN_SETTINGS_MAX];
    TrainSettings settings;
    Notes notes;
    Corpus train, dev, test;
    Lexicon lexicon;
    unsigned char *legal;  // [L + 1, L + 1]
    Tagger tagger;
    Progress progress;
    Resume resume;
    Card card;
} Session;

/* ---- what is printed ---- */

static void print_versions(void)
{
    printf("moe_train %s (commit %s, %s)\n%s\n%s\n", MOE_VERSION, MOE_COMMIT, REAL_NAME,
           comm_library(), gemm_library());
}

static void print_corpus(const char *name, const Corpus *corpus)
{
    const Coverage *c = &corpus->coverage;
    long total = 0;
    for (int k = 0; k < LOOKUP_KINDS; k++) {
        total += c->tokens[k];
    }
    const double percent = total > 0 ? 100.0 / (double)total : 0;
    printf("%-5s %s: %d sentences, %d tokens, %d entities (%s)\n", name, corpus->conll.path,
           corpus->conll.n_sentences, corpus->conll.n_tokens, corpus->n_entities,
           tagset_scheme_name(corpus->scheme));
    printf("      words found: %.1f%% as written, %.1f%% in lower case, %.1f%% with digits as 0, "
           "%.1f%% unknown\n",
           percent * (double)c->tokens[LOOKUP_EXACT], percent * (double)c->tokens[LOOKUP_LOWER],
           percent * (double)c->tokens[LOOKUP_DIGITS], percent * (double)c->tokens[LOOKUP_UNKNOWN]);
}

static void print_vectors(const Session *session)
{
    const Vocab *vocab = &session->lexicon.vocab;
    const Coverage *c = &session->lexicon.vectors_coverage;
    const double percent = 100.0 / (double)session->train.conll.n_tokens;
    if (session->settings.vectors != NULL) {
        printf("vectors %s: %d rows of width %d; of the training tokens %.1f%% as written, %.1f%% "
               "in lower case, %.1f%% "
               "with digits as 0, %.1f%% not found\n",
               session->settings.vectors, vocab->n_from_file, vocab->vectors.dim,
               percent * (double)c->tokens[LOOKUP_EXACT], percent * (double)c->tokens[LOOKUP_LOWER],
               percent * (double)c->tokens[LOOKUP_DIGITS],
               percent * (double)c->tokens[LOOKUP_UNKNOWN]);
    }
    printf("words %d rows, characters %d, entity types %d, labels %d\n", vocab->vectors.n,
           session->lexicon.chars.n, session->lexicon.tagset.n_types,
           session->lexicon.tagset.n_labels);
}

static size_t active_per_token(const Session *session)
{
    const Params *params = &session->tagger.params;
    const TrainSettings *s = &session->settings;
    const size_t expert = params_count(&session->tagger.experts, PARAM_EXPERT);
    return params_count(params, PARAM_DENSE) +
           (expert == 0 ? 0 : expert / (size_t)s->experts * (size_t)s->top_k);
}

/** Bytes that a rank needs: weights, moments and gradient slots, with the word table and its moments. */
static double memory_per_rank(const Session *session)
{
    const Params *params = &session->tagger.params, *experts = &session->tagger.experts;
    const TrainSettings *s = &session->settings;
    const int copies = (s->optimizer == OPTIM_SGD ? 2 : 3) + (s->average > 0);
    const double words = (double)params_count(params, PARAM_ROWS);
    const TaggerGroups groups = tagger_groups_of(&session->mesh, s->groups);
    const int slots = params_slots(groups.first, groups.last);
    const int expert_slots = params_slots(groups.expert_first, groups.expert_last);
    return ((double)params->size * (copies + slots) +
            (double)experts->size * (copies + expert_slots) + words * copies) *
           (double)sizeof(real);
}

/** "0-3" or "2" or "none" */
static void format_run(char *text, size_t size, int first, int last)
{
    if (first >= last) {
        snprintf(text, size, "none");
    } else if (last - first == 1) {
        snprintf(text, size, "%d", first);
    } else {
        snprintf(text, size, "%d-%d", first, last - 1);
    }
}

/** Who holds what: a line a rank, the middle of a long list left out. */
static void print_map(const Session *session)
{
    enum { SHOWN = 8 };
    const TrainSettings *s = &session->settings;
    const int W = session->mesh.world.size, ep_size = session->mesh.experts.size;
    printf("ranks: %d = %d replicas x %d expert-parallel\n", W, W / ep_size, ep_size);
    for (int r = 0; r < W && W > 1; r++) {
        char experts[32], groups[32];
        int first, last;
        if (r >= SHOWN && r < W - 1) {
            r = W - 2;
            printf("  ...\n");
            continue;
        }
        mesh_experts(s->experts, ep_size, r % ep_size, &first, &last);
        format_run(experts, sizeof experts, first, last);
        format_run(groups, sizeof groups, tree_split(s->groups, W, r),
                   tree_split(s->groups, W, r + 1));
        if (s->ffn == FFN_MOE) {
            printf("  rank %d: groups %s, experts %s\n", r, groups, experts);
        } else {
            printf("  rank %d: groups %s\n", r, groups);
        }
    }
}

/** What the routing log may grow to. */
static void print_log(Session *session)
{
    const TrainSettings *s = &session->settings;
    RouteLog log;
    const Task task = tagger_task(&session->tagger);
    TrainConfig config = train_settings_trainer(s);
    config.routes.dir = "";  // --dry-run needs no --out
    const double batches = ceil((double)session->train.conll.n_sentences / s->batch);
    const double steps =
        s->max_steps > 0 && s->max_steps < batches * s->epochs ? s->max_steps : batches * s->epochs;
    route_log_init(&log, config.routes, &session->mesh, &task, &session->lexicon, &session->train,
                   &session->dev, 0);
    if (route_log_on(&log)) {
        printf("routes.h5: at most %.1f MiB for %.0f steps",
               route_log_bytes(&log, steps, steps / batches + 1) / 1048576, steps);
        if (s->trace_tokens > 0) {
            printf(", and %.1f MiB of traced tokens",
                   route_log_trace_bytes(&log, steps * s->batch * session->train.conll.n_tokens /
                                                   session->train.conll.n_sentences) /
                       1048576);
        }
        printf("\n");
    }
    route_log_free(&log);
}

static void print_model(Session *session)
{
    const Params *params = &session->tagger.params;
    const TrainSettings *s = &session->settings;
    const char *ffn[] = {"no feed-forward block", "dense feed-forward block", "mixture of experts"};
    const Conll *conll = &session->train.conll;
    const int sentences = s->batch < conll->n_sentences ? s->batch : conll->n_sentences;
    const int tokens = (int)((double)conll->n_tokens / conll->n_sentences * sentences);
    printf("model BiLSTM %d x %d per direction, %s, CRF\n", s->layers, s->hidden, ffn[s->ffn]);
    printf("parameters: dense %zu, experts %zu, word vectors %zu; active per token %zu (word "
           "vectors apart)\n",
           params_count(params, PARAM_DENSE), params_count(&session->tagger.experts, PARAM_EXPERT),
           params_count(params, PARAM_ROWS), active_per_token(session));
    printf("work per token: %.2f MFLOP forward, %.2f MFLOP with backward\n",
           tagger_flops(&session->tagger.config) / 1e6,
           3 * tagger_flops(&session->tagger.config) / 1e6);
    printf("ranks %d, groups %d, batch %d sentences (about %d tokens)\n", session->mesh.world.size,
           s->groups, s->batch, tokens);
    if (s->ffn == FFN_MOE) {
        const int of_group = tokens / s->groups,
                  capacity = plan_capacity(session->tagger.config.capacity, of_group, s->experts,
                                           s->top_k);
        printf("experts %d, %d per token, ", s->experts, s->top_k);
        if (s->capacity_factor > 0) {
            printf("capacity %d of about %d tokens of a group\n", capacity, of_group);
        } else {
            printf("no capacity limit\n");
        }
    }
    print_map(session);
    print_log(session);
    printf("memory per rank: %.0f MiB (weights, moments, gradients), and the corpora and a batch\n",
           memory_per_rank(session) / 1048576);
}

/* ---- the steps of the program ---- */

/** A file that is named "-" is standard input, which mpirun gives to one rank only. */
static Status check_inputs(const TrainSettings *s, int n_ranks)
{
    const struct {
        const char *name, *path;
    } file[] = {{"train", s->train}, {"dev", s->dev}, {"test", s->test}, {"vectors", s->vectors}};
    for (int i = 0; i < 4 && n_ranks > 1; i++) {
        if (file[i].path != NULL && strcmp(file[i].path, "-") == 0) {
            return status_error(CODE_OPTION, "--%s -: needs a file that every rank can read",
                                file[i].name);
        }
    }
    return status_ok();
}

static Status read_corpora(Session *session)
{
    const TrainSettings *s = &session->settings;
    struct {
        const char *path;
        Corpus *corpus;
    } file[] = {{s->train, &session->train}, {s->dev, &session->dev}, {s->test, &session->test}};
    ConllColumns columns;
    TRY(conll_columns(&columns, s->columns));
    for (int i = 0; i < 3; i++) {
        if (file[i].path != NULL) {
            TRY(corpus_read(file[i].corpus, file[i].path, columns, s->comment_prefix,
                            &session->notes));
            notes_end(&session->notes, file[i].path);
            if (i > 0 && file[i].corpus->conll.n_sentences == 0) {
                return status_error(CODE_INPUT, "%s: no sentences: nothing to score",
                                    file[i].corpus->conll.path);
            }
        }
    }
    TRY(lexicon_build(&session->lexicon, &session->train, s->vectors, s->word_dim, s->seed,
                      &session->notes));
    for (int i = 0; i < 3; i++) {
        if (file[i].path != NULL) {
            corpus_encode(file[i].corpus, &session->lexicon, &session->notes);
            notes_end(&session->notes, file[i].path);
        }
    }
    return status_ok();
}

/** Is a folder empty, or that of a run? */
static bool is_run_folder(const char *path)
{
    char config[H5_PATH];
    int n = 0;
    DIR *folder = opendir(path);
    for (const struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    if (folder != NULL) {
        closedir(folder);
    }
    snprintf(config, sizeof config, "%s/config.ini", path);
    return (folder != NULL && n == 0) || access(config, F_OK) == 0;
}

/** Does a run that goes on lie in this folder? */
static bool resumes_here(const Session *session)
{
    char folder[H5_PATH];
    struct stat here, there;
    snprintf(folder, sizeof folder, "%s", session->resume.file[0]);
    char *slash = strrchr(folder, '/');
    snprintf(slash == NULL ? folder : slash + 1, 2, ".");
    return session->resume.n > 0 && stat(session->settings.out, &here) == 0 &&
           stat(folder, &there) == 0 && here.st_dev == there.st_dev && here.st_ino == there.st_ino;
}

/** May the run be written to --out? By one rank. */
static Status check_out(const Session *session)
{
    const TrainSettings *s = &session->settings;
    struct stat info;
    if (s->dry_run || stat(s->out, &info) != 0) {
        return status_ok();
    }
    if (!S_ISDIR(info.st_mode)) {
        return status_error(CODE_OPTION, "--out %s: is a file; name a folder", s->out);
    }
    if (strcmp(s->resume, "auto") == 0 && session->resume.n == 0 && !is_run_folder(s->out)) {
        return status_error(CODE_OPTION, "--out %s: exists and holds no run; name another folder",
                            s->out);
    }
    if (strcmp(s->resume, "auto") != 0 && !resumes_here(session) && !s->overwrite) {
        return status_error(
            CODE_OPTION,
            "--out %s: exists already; name another folder, go on with --resume auto, or begin "
            "anew with --overwrite",
            s->out);
    }
    return status_ok();
}

/** What cannot be made or written: a full disk is no fault of the option. */
static Status out_error(const char *path)
{
    const bool disk = errno == ENOSPC || errno == EDQUOT || errno == EIO;
    return status_error(disk ? CODE_FAILED : CODE_OPTION, "%s: cannot be written: %s; see --out",
                        path, strerror(errno));
}

/** Nothing of an older run may be taken for this one's; by one rank. */
static void clear_out(const char *out)
{
    const char *name[] = {"dev.predicted.conll", "test.predicted.conll", "best.h5", "metrics.jsonl",
                          "routes.h5"};
    char path[H5_PATH], file[RESUME_FILES][H5_PATH];
    for (size_t i = 0; i < sizeof name / sizeof *name; i++) {
        snprintf(path, sizeof path, "%s/%s", out, name[i]);
        remove(path);
    }
    for (int n; (n = saver_candidates(out, file, RESUME_FILES)) > 0;) {
        for (int i = 0; i < n; i++) {
            if (remove(file[i]) != 0) {
                return;  // the next save will say why
            }
        }
    }
}

/** The run folder with config.ini; by one rank. */
static Status open_out(Session *session)
{
    const char *out = session->settings.out;
    char path[H5_PATH];
    if (mkdir(out, 0777) != 0 && errno != EEXIST) {
        return out_error(out);
    }
    if (!resumes_here(session)) {
        clear_out(out);
    }
    snprintf(path, sizeof path, "%s/config.ini", out);
    FILE *config = fopen(path, "w");
    if (config == NULL) {
        return out_error(path);
    }
    options_write(&session->options, config);
    const bool cut = ferror(config) != 0;
    return fclose(config) != 0 || cut ? out_error(path) : status_ok();
}

/** SHA-256 of the files that were read, by one rank, for all. Collective. */
static Status digest_inputs(Session *session)
{
    const TrainSettings *s = &session->settings;
    const Comm *world = &session->mesh.world;
    const char *name[] = {"train", "dev", "test", "vectors"};
    const char *path[] = {s->train, s->dev, s->test, s->vectors};
    for (int i = 0; i < 4; i++) {
        char digest[DIGEST_TEXT] = "standard input", path_name[32];
        Status status = status_ok();
        if (path[i] == NULL) {
            continue;
        }
        if (comm_is_root(world) && strcmp(path[i], "-") != 0) {
            status = digest_file(path[i], digest);
        }
        TRY(comm_agree(world, status));
        comm_broadcast(world, digest, sizeof digest);
        snprintf(path_name, sizeof path_name, "%s_path", name[i]);
        card_add(&session->card.inputs, name[i], digest);
        card_add(&session->card.inputs, path_name, path[i]);
    }
    return status_ok();
}

static void add_option(void *lines, const char *name, const char *value)
{
    card_add(lines, name, value);
}

/** What goes into checkpoints beside arrays. */
static void fill_card(Session *session)
{
    Card *card = &session->card;
    options_each(&session->options, add_option, &card->config);
    card->program = "moe_train " MOE_VERSION;
    card->commit = MOE_COMMIT;
    card->blas = gemm_library();
    card->seed = session->settings.seed;
    card->groups = session->settings.groups;
    card->lexicon = &session->lexicon;
}

static void register_tagger(Session *session)
{
    session->legal = model_file_legal(&session->lexicon.tagset);
    tagger_register(&session->tagger, train_settings_tagger(&session->settings, &session->lexicon),
                    session->lexicon.vocab.vectors.row, session->legal, &session->mesh);
}

/** Start from the weights of --init. Collective. */
static Status start_warm(Session *session)
{
    const TrainSettings *s = &session->settings;
    Warmstart taken;
    TRY(comm_agree(&session->mesh.world,
                   warmstart(&taken, &session->tagger.params, &session->tagger.experts,
                             &session->lexicon, s->init)));
    if (comm_is_root(&session->mesh.world)) {
        printf("starts from %s: %d tensors, %d of %d words, %d of %d characters%s; new: %s\n",
               s->init, taken.n_taken, taken.n_words, session->lexicon.vocab.vectors.n,
               taken.n_characters, session->lexicon.chars.n,
               taken.upcycled ? ", experts are copies of the dense block" : "",
               taken.fresh[0] != '\0' ? taken.fresh : "nothing");
        fflush(stdout);
    }
    return status_ok();
}

static Status train(Session *session)
{
    const bool root = comm_is_root(&session->mesh.world);
    const TrainSettings *s = &session->settings;
    progress_init(&session->progress, (ProgressStyle)s->progress, comm_has_terminal(),
                  root ? stdout : NULL);
    session->progress.tolerant = s->on_save_failure == 1;
    Trainer trainer = {.config = train_settings_trainer(s),
                       .mesh = &session->mesh,
                       .task = tagger_task(&session->tagger),
                       .lexicon = &session->lexicon,
                       .train = &session->train,
                       .dev = &session->dev,
                       .test = s->test != NULL ? &session->test : NULL,
                       .progress = &session->progress,
                       .card = &session->card,
                       .resume = session->resume.file,
                       .n_resume = session->resume.n,
                       .active_per_token = active_per_token(session)};
    trainer.config.peak = gemm_measure_peak();
    comm_max_double(&session->mesh.world, &trainer.config.peak, 1);
    Status status = trainer_run(&trainer);
    if (status.code == CODE_OK && root) {
        char title[64];
        snprintf(title, sizeof title, "development, epoch %d (the best)", trainer.best_epoch);
        evaluate_table(stdout, &trainer.best_dev, title);
        if (s->test != NULL) {
            evaluate_table(stdout, &trainer.best_test, "test, at that epoch");
        }
    }
    trainer_free(&trainer);
    return status;
}

static Status run(Session *session, int argc, char **argv)
{
    TrainSettings *s = &session->settings;
    const bool root = comm_is_root(&session->mesh.world);
    TRY(comm_agree(&session->mesh.world, options_parse(&session->options, argc, argv)));
    if (s->help || s->version) {
        if (root && s->help) {
            options_help(&session->options, stdout);
        } else if (root) {
            print_versions();
        }
        return status_ok();
    }
    if (s->selftest) {
        return selftest_run(&session->mesh.world, root ? stdout : NULL);
    }
    if (session->options.n_arguments > 0) {
        return status_error(CODE_OPTION, "%s: not an option; see moe_train --help",
                            session->options.argument[0]);
    }
    TRY(comm_agree(&session->mesh.world, resume_find(&session->resume, s, root ? stderr : NULL)));
    TRY(comm_agree(&session->mesh.world, resume_options(&session->resume, &session->options)));
    TRY(train_settings_complete(s, session->mesh.world.size));
    watch_set_timeout(s->timeout);
    mesh_init(&session->mesh, train_settings_ep_size(s, session->mesh.world.size));
    TRY(check_inputs(s, session->mesh.world.size));
    TRY(comm_agree(&session->mesh.world, root ? check_out(session) : status_ok()));
    session->notes.out = root ? stderr : NULL;
    TRY(comm_agree(&session->mesh.world, read_corpora(session)));
    TRY(digest_inputs(session));
    TRY(resume_inputs(&session->resume, &session->card.inputs));
    fill_card(session);
    register_tagger(session);
    if (root) {
        print_corpus("train", &session->train);
        print_corpus("dev", &session->dev);
        if (s->test != NULL) {
            print_corpus("test", &session->test);
        }
        print_vectors(session);
        print_model(session);
        fflush(stdout);
    }
    if (s->dry_run) {
        return status_ok();
    }
    tagger_allocate(&session->tagger, tagger_groups_of(&session->mesh, s->groups));
    if (s->init != NULL && session->resume.n == 0) {
        TRY(start_warm(session));
    }
    TRY(comm_agree(&session->mesh.world, root ? open_out(session) : status_ok()));
    return train(session);
}

static void session_free(Session *session)
{
    tagger_free(&session->tagger);
    mesh_free(&session->mesh);
    mem_free(session->legal);
    lexicon_free(&session->lexicon);
    corpus_free(&session->train);
    corpus_free(&session->dev);
    corpus_free(&session->test);
    options_free(&session->options);
    resume_free(&session->resume);
    card_lines_free(&session->card.config);
    card_lines_free(&session->card.inputs);
}

int main(int argc, char **argv)
{
    static Session session;
    comm_init(&session.mesh.world, &argc, &argv);
    signals_take_requests();
    gemm_init();
    train_settings_table(&session.options, session.table, &session.settings);
    Status status = run(&session, argc, argv);
    if (status.code == CODE_OK && (fflush(stdout) != 0 || ferror(stdout))) {
        status = status_error(CODE_FAILED, "cannot write the report: %s", strerror(errno));
    }
    if (status.code != CODE_OK && comm_is_root(&session.mesh.world)) {
        fflush(stdout);
        fprintf(stderr, "%s\n", status.text);
    }
    session_free(&session);
    comm_free(&session.mesh.world);
    return status.code;
}
