// SPDX-License-Identifier: Apache-2.0
#include "train/trainer.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/profile.h"
#include "comm/watch.h"
#include "math/gemm.h"
#include "math/vec.h"
#include "train/evaluate.h"
#include "train/gradsync.h"

/** Memory and counters of a run in progress. */
typedef struct Run {
    Trainer *trainer;
    Optim optim, expert_optim;
    Gradsync sync;
    BatchMaker maker;
    BatchOrder order;
    Arena arena;  // of the step
    int first_group, last_group;
    double
        *epoch_stats;  // [G, n_stats] figures of this epoch; rows of other ranks' groups are zero
    double *recent_stats;  // [G, n_stats] since the last log line
    double epoch_start, recent_start, run_start, epoch_flops;
    double seconds_before;      // of earlier starts
    double evaluating;          // seconds spent so, not training
    double norm;                // of the last gradient, before clipping
    int *label;                 // [tokens of the largest corpus]
    int *best_dev, *best_test;  // [tokens] labels of the best epoch
    Saver saver;
    RouteLog route_log;
    Routes routes;                 // of the development corpus, at the last evaluation
    int first_epoch, first_batch;  // where this start begins
    const char *resumed_from;      // its checkpoint, or NULL
    long first_step;
    int epochs_without_gain;
} Run;

/* ---- figures ---- */

/** Sum of the rows of all groups, on all ranks: adding zeros is exact in any order, the groups are added in theirs. */
static void sum_stats(const Run *run, const double *rows, double *sum)
{
    const Trainer *trainer = run->trainer;
    const int n = trainer->task.n_stats, G = trainer->config.groups;
    double *all = mem_alloc((size_t)G * (size_t)n, sizeof *all);
    memcpy(all, rows, (size_t)G * (size_t)n * sizeof *all);
    comm_sum_with_zeros(&trainer->mesh->world, all, G * n);
    memset(sum, 0, (size_t)n * sizeof *sum);
    for (int g = 0; g < G; g++) {
        for (int i = 0; i < n; i++) {
            sum[i] += all[(size_t)g * (size_t)n + (size_t)i];
        }
    }
    mem_free(all);
}

/** What this rank's groups say of all: their sum, scaled to G groups. Local, for the bar. */
static void own_stats(const Run *run, const double *rows, double *sum)
{
    const int n = run->trainer->task.n_stats, n_local = run->last_group - run->first_group;
    for (int g = run->first_group; g < run->last_group; g++) {
        for (int i = 0; i < n; i++) {
            sum[i] +=
                rows[(size_t)g * (size_t)n + (size_t)i] * run->trainer->config.groups / n_local;
        }
    }
}

static double ratio(double a, double b)
{
    return b > 0 ? a / b : 0;
}

static double drop_rate(const Run *run, const double *sum)
{
    const double *moe = sum + TASK_MOE;
    return run->trainer->task.n_experts == 0
               ? -1
               : ratio(moe[STAT_DROPPED], moe[STAT_KEPT] + moe[STAT_DROPPED] + moe[STAT_SKIPPED]);
}

static double max_load_over_mean(const Run *run, const double *sum)
{
    const int E = run->trainer->task.n_experts;
    double max = 0, total = 0;
    for (int e = 0; e < E; e++) {
        const double load = sum[TASK_MOE + STAT_LOAD + e];
        max = load > max ? load : max;
        total += load;
    }
    return ratio(max * E, total);
}

static void write_figures(const Run *run, const double *sum, double seconds)
{
    Progress *p = run->trainer->progress;
    metrics_number(p, "loss", ratio(sum[TASK_LOSS], sum[TASK_SENTENCES]));
    metrics_number(p, "tokens_per_s", ratio(sum[TASK_TOKENS], seconds));
    metrics_number(p, "sentences_per_s", ratio(sum[TASK_SENTENCES], seconds));
    if (run->trainer->task.n_experts > 0) {
        const double *moe = sum + TASK_MOE;
        metrics_number(p, "exchange_bytes", sum[TASK_BYTES]);
        metrics_number(p, "drop_rate", drop_rate(run, sum));
        metrics_number(
            p, "skip_rate",
            ratio(moe[STAT_SKIPPED], moe[STAT_KEPT] + moe[STAT_DROPPED] + moe[STAT_SKIPPED]));
        metrics_number(p, "load_max_over_mean", max_load_over_mean(run, sum));
        metrics_number(p, "aux_loss", ratio(moe[STAT_BALANCE], moe[STAT_TOKENS]));
        metrics_number(p, "z_loss", ratio(moe[STAT_Z], moe[STAT_TOKENS]));
        metrics_number(p, "gate_entropy", ratio(moe[STAT_ENTROPY], moe[STAT_TOKENS]));
    }
}

static double steps_left(const Run *run, int epoch, int batch)
{
    const TrainConfig *c = &run->trainer->config;
    double left = (double)(c->epochs - epoch) * run->order.n_batches - batch;
    if (c->max_steps > 0 && left > (double)(c->max_steps - run->trainer->steps)) {
        left = (double)(c->max_steps - run->trainer->steps);
    }
    return left;
}

/** Progress of this step; every log_every steps a line of the figures since the last. Collective when it logs. */
static void report_step(Run *run, int epoch, int batch)
{
    Trainer *trainer = run->trainer;
    const int n = trainer->task.n_stats;
    const double now = clock_now();
    const bool log = trainer->steps % trainer->config.log_every == 0;
    double *sum = ARENA_ZEROED(&run->arena, double, n);
    if (log) {
        sum_stats(run, run->recent_stats, sum);
    } else {
        own_stats(run, run->recent_stats, sum);
    }
    ProgressStep step = {.epoch = epoch + 1,
                         .n_epochs = trainer->config.epochs,
                         .done = batch + 1,
                         .total = run->order.n_batches,
                         .loss = ratio(sum[TASK_LOSS], sum[TASK_SENTENCES]),
                         .tokens_per_s = ratio(sum[TASK_TOKENS], now - run->recent_start),
                         .drop_rate = drop_rate(run, sum),
                         .best_f1 = trainer->best_f1};
    step.seconds_left = steps_left(run, epoch, batch + 1) *
                        (now - run->run_start - run->evaluating) /
                        (double)(trainer->steps - run->first_step);
    progress_bar(trainer->progress, &step);
    if (log) {
        progress_plain(trainer->progress, &step);
        metrics_begin(trainer->progress, "step");
        metrics_integer(trainer->progress, "epoch", epoch + 1);
        metrics_integer(trainer->progress, "step", trainer->steps);
        write_figures(run, sum, now - run->recent_start);
        metrics_number(trainer->progress, "grad_norm", run->norm);
        metrics_end(trainer->progress);
        memset(run->recent_stats, 0, (size_t)trainer->config.groups * (size_t)n * sizeof(double));
        run->recent_start = clock_now();
    }
}

/** A row of the routing log when one is due. Collective. */
static void log_routes(Run *run, int epoch)
{
    RouteLog *log = &run->route_log;
    const Trainer *trainer = run->trainer;
    const size_t n = (size_t)trainer->task.n_stats;
    if (route_log_on(log) && trainer->steps % log->config.every == 0) {
        double *sum = ARENA_ARRAY(&run->arena, double, n);
        sum_stats(run, log->stats, sum);
        route_log_row(log, sum, trainer->steps, epoch + 1,
                      run->seconds_before + clock_now() - run->run_start);
        memset(log->stats, 0, (size_t)trainer->config.groups * n * sizeof *log->stats);
        route_log_flush_soon(log);
    }
}

/* ---- one step ---- */

/** The first tensor whose gradient is finite and its square is not. */
static const char *too_large(const Params *params)
{
    for (int i = 0; i < params->n; i++) {
        const Param *param = &params->param[i];
        const size_t n = param->kind == PARAM_ROWS
                             ? (size_t)params->n_rows * (size_t)param->shape[1]
                             : param->size;
        if (!isfinite(vec_sum_squares(params->slot[0] + param->offset, n))) {
            return param->name;
        }
    }
    return NULL;
}

/** What is not finite in a table, or NULL; what tells value, gradient or its square. */
static const char *find_not_finite(const Params *params, const char **what)
{
    const char *name = params_not_finite(params, false);
    *what = "value";
    if (name == NULL) {
        *what = "gradient";
        name = params_not_finite(params, true);
    }
    if (name == NULL) {
        *what = "squared gradient";
        name = too_large(params);
    }
    return name;
}

/** Which tensor is not finite, and where in the data. All ranks know that something is not, and leave together; it may be an
 * expert of one of them. Collective. */
static Status not_finite(const Run *run, int epoch, int batch)
{
    const Trainer *trainer = run->trainer;
    const Conll *conll = &trainer->train->conll;
    const int sentence = run->order.sentence[run->order.start[batch]];
    const char *what, *name = find_not_finite(trainer->task.params, &what);
    if (name == NULL) {
        name = find_not_finite(trainer->task.experts, &what);
    }
    Status found = status_ok();
    if (name != NULL) {
        found = status_error(CODE_FAILED,
                             "step %ld (epoch %d, batch %d, with the sentence at %s:%ld): the %s "
                             "of tensor %s is not "
                             "finite; lower --lr or --clip",
                             trainer->steps + 1, epoch + 1, batch + 1, conll->path,
                             conll->sentence_line[sentence], what, name);
    }
    found = comm_agree(&trainer->mesh->world, found);
    return found.code != CODE_OK
               ? found
               : status_error(CODE_FAILED,
                              "step %ld: the norm of the gradient is not finite; lower --lr",
                              trainer->steps + 1);
}

static Status train_step(Run *run, int epoch, int b)
{
    Trainer *trainer = run->trainer;
    const TrainConfig *c = &trainer->config;
    Task *task = &trainer->task;
    const int n_stats = task->n_stats, *sentences = run->order.sentence + run->order.start[b];
    double *stats =
        ARENA_ZEROED(&run->arena, double, (run->last_group - run->first_group) * n_stats);
    Batch batch;

    watch_step(trainer->steps + 1);
    profile_enter(PHASE_BATCH);
    batch_build(&batch, &run->maker, trainer->train, sentences,
                run->order.start[b + 1] - run->order.start[b], c->groups, run->first_group,
                run->last_group, (uint32_t)trainer->steps, true, &run->arena);
    task->forward(task->model, &batch, stats, &run->arena);
    task->backward(task->model, &batch, &run->arena);
    profile_enter(PHASE_SUMS);
    gradsync_finish(&run->sync);
    profile_enter(PHASE_OPTIMISER);
    run->norm = sqrt(gradsync_squares(&run->sync));
    if (!isfinite(run->norm)) {
        return not_finite(run, epoch, b);
    }
    const double scale = c->clip > 0 && run->norm > c->clip ? c->clip / run->norm : 1;
    const double lr = schedule_lr(&c->schedule, epoch, trainer->steps);
    optim_step(&run->optim, task->params, lr, scale);
    optim_step(&run->expert_optim, task->experts, lr, scale);
    profile_enter(PHASE_OTHER);

    for (int i = 0; i < (run->last_group - run->first_group) * n_stats; i++) {
        const size_t at = (size_t)run->first_group * (size_t)n_stats + (size_t)i;
        run->epoch_stats[at] += stats[i];
        run->recent_stats[at] += stats[i];
        run->route_log.stats[at] += stats[i];
    }
    route_log_trace(&run->route_log, &batch, trainer->steps + 1);
    trainer->steps++;
    log_routes(run, epoch);
    report_step(run, epoch, b);
    arena_reset(&run->arena);
    return status_ok();
}

/* ---- evaluation ---- */

/** Weights that have gone bad although every gradient was finite. Collective. */
static Status check_weights(const Run *run, int epoch)
{
    const Task *task = &run->trainer->task;
    const char *name = params_not_finite(task->params, false);
    if (name == NULL) {
        name = params_not_finite(task->experts, false);
    }
    return comm_agree(
        &run->trainer->mesh->world,
        name == NULL
            ? status_ok()
            : status_error(
                  CODE_FAILED,
                  "step %ld (end of epoch %d): the value of tensor %s is not finite; lower --lr",
                  run->trainer->steps, epoch + 1, name));
}

static void write_scores(Progress *p, const char *split, const Chunks *chunks)
{
    const double value[] = {chunks_precision(&chunks->all), chunks_recall(&chunks->all),
                            chunks_f1(&chunks->all), chunks_accuracy(chunks)};
    const char *name[] = {"precision", "recall", "f1", "accuracy"};
    for (int i = 0; i < 4; i++) {
        char text[32];
        snprintf(text, sizeof text, "%s_%s", split, name[i]);
        metrics_number(p, text, value[i]);
    }
}

/** Score a corpus with the weights as they are. Collective. */
static void score_corpus(Run *run, const Corpus *corpus, Chunks *chunks)
{
    Trainer *trainer = run->trainer;
    const bool routed = corpus == trainer->dev && route_log_on(&run->route_log);
    chunks_free(chunks);
    evaluate_predict(run->label, routed ? &run->routes : NULL, &trainer->task,
                     &trainer->mesh->world, corpus, &run->maker, &run->arena);
    evaluate_score(chunks, corpus, trainer->lexicon, run->label);
}

/** Keep the predictions that the best score came from: DIR/NAME.predicted.conll. */
static Status keep_predictions(const Run *run, const char *split, const Corpus *corpus,
                               const int *label)
{
    const Trainer *trainer = run->trainer;
    char path[4096];
    Status status = status_ok();
    const char *dir = trainer->config.save.dir;
    if (comm_is_root(&trainer->mesh->world) && dir != NULL) {
        snprintf(path, sizeof path, "%s/%s.predicted.conll", dir, split);
        FILE *out = fopen(path, "w");
        bool written = out != NULL;
        if (written) {
            evaluate_write(out, corpus, trainer->lexicon, label);
            written = ferror(out) == 0;
            written = fclose(out) == 0 && written;
        }
        if (!written) {
            status = status_error(CODE_FAILED, "%s: cannot be written: %s", path, strerror(errno));
        }
    }
    return comm_agree(&trainer->mesh->world, status);
}

static void swap_average(Run *run)
{
    optim_swap_average(&run->optim, run->trainer->task.params);
    optim_swap_average(&run->expert_optim, run->trainer->task.experts);
}

static bool finished(const Run *run, int epoch)
{
    const TrainConfig *c = &run->trainer->config;
    return epoch >= c->epochs || (c->max_steps > 0 && run->trainer->steps >= c->max_steps) ||
           (c->patience > 0 && run->epochs_without_gain >= c->patience);
}

/** Where the run stands, for a checkpoint: so many epochs and batches of the next are done. */
static void set_cursor(Run *run, int epoch, int batch)
{
    const Trainer *trainer = run->trainer;
    const double now = clock_now();
    run->saver.checkpoint.cursor = (Cursor){.step = trainer->steps,
                                            .epoch = epoch,
                                            .batch = batch,
                                            .best_epoch = trainer->best_epoch,
                                            .epochs_without_gain = run->epochs_without_gain,
                                            .best_f1 = trainer->best_f1,
                                            .epoch_seconds = now - run->epoch_start,
                                            .epoch_flops = gemm_flops() - run->epoch_flops,
                                            .recent_seconds = now - run->recent_start,
                                            .seconds = run->seconds_before + now - run->run_start,
                                            .log_decay = run->optim.log_decay,
                                            .finished = finished(run, epoch)};
    Cursor *cursor = &run->saver.checkpoint.cursor;
    route_log_rows(&run->route_log, &cursor->route_steps, &cursor->route_evals,
                   &cursor->route_trace);
    comm_broadcast(&trainer->mesh->world, cursor,
                   sizeof *cursor);  // attributes are the same on all ranks
}

/** Save the run as it stands. Collective. */
static Status save_run(Run *run, int epoch, int batch)
{
    TRY(saver_failed(&run->saver, route_log_flush(&run->route_log)));
    set_cursor(run, epoch, batch);
    return saver_save_last(&run->saver);
}

/** A new best: its scores and predictions are kept, and the test corpus is scored. Collective. */
static Status keep_best(Run *run, int epoch, Chunks *dev)
{
    Trainer *trainer = run->trainer;
    trainer->best_f1 = chunks_f1(&dev->all);
    trainer->best_epoch = epoch + 1;
    run->epochs_without_gain = 0;
    chunks_free(&trainer->best_dev);
    evaluate_score(&trainer->best_dev, trainer->dev, trainer->lexicon, run->label);
    memcpy(run->best_dev, run->label, (size_t)trainer->dev->conll.n_tokens * sizeof(int));
    TRY(saver_failed(&run->saver, keep_predictions(run, "dev", trainer->dev, run->label)));
    if (trainer->test != NULL) {
        score_corpus(run, trainer->test, &trainer->best_test);
        memcpy(run->best_test, run->label, (size_t)trainer->test->conll.n_tokens * sizeof(int));
        TRY(saver_failed(&run->saver, keep_predictions(run, "test", trainer->test, run->label)));
    }
    set_cursor(run, epoch + 1, 0);
    return saver_save_best(&run->saver);
}

/** Development scores (of the averaged weights when there are any). Collective. */
static Status evaluate_epoch(Run *run, int epoch, Chunks *dev)
{
    Trainer *trainer = run->trainer;
    const double start = clock_now();
    TRY(check_weights(run, epoch));
    profile_pause(true);
    swap_average(run);
    score_corpus(run, trainer->dev, dev);
    route_log_eval(&run->route_log, &run->routes, run->label, chunks_f1(&dev->all), trainer->steps,
                   epoch + 1);
    run->epochs_without_gain++;
    Status status =
        chunks_f1(&dev->all) > trainer->best_f1 ? keep_best(run, epoch, dev) : status_ok();
    swap_average(run);
    profile_pause(false);
    run->evaluating += clock_now() - start;
    return status;
}

/* ---- the run ---- */

static void report_epoch(Run *run, int epoch, const Chunks *dev, double train_seconds)
{
    Trainer *trainer = run->trainer;
    Progress *p = trainer->progress;
    double *sum = mem_alloc((size_t)trainer->task.n_stats, sizeof *sum),
           flops = gemm_flops() - run->epoch_flops;
    sum_stats(run, run->epoch_stats, sum);
    const double percent = 100 * ratio(flops, train_seconds * trainer->config.peak);
    metrics_begin(p, "epoch");
    metrics_integer(p, "epoch", epoch + 1);
    metrics_integer(p, "step", trainer->steps);
    write_figures(run, sum, train_seconds);
    metrics_number(p, "percent_of_peak", percent);
    metrics_number(p, "lr", schedule_lr(&trainer->config.schedule, epoch, trainer->steps - 1));
    metrics_number(p, "seconds", train_seconds);
    write_scores(p, "dev", dev);
    metrics_end(p);
    progress_line(p,
                  "epoch %d/%d  loss %.3f  dev P %.2f R %.2f F1 %.2f%s  %.0f tokens/s (%.0f%% of "
                  "peak)  %.1f s",
                  epoch + 1, trainer->config.epochs, ratio(sum[TASK_LOSS], sum[TASK_SENTENCES]),
                  chunks_precision(&dev->all), chunks_recall(&dev->all), chunks_f1(&dev->all),
                  trainer->best_epoch == epoch + 1 ? " *" : "",
                  ratio(sum[TASK_TOKENS], train_seconds), percent, train_seconds);
    mem_free(sum);
}

/** Share of each phase in the steps' time: mean over ranks, least and most, and who has most. Collective. */
static void report_phases(const Run *run, const char *title)
{
    const Comm *world = &run->trainer->mesh->world;
    Progress *p = run->trainer->progress;
    double own[PHASES], *all = mem_alloc((size_t)world->size * PHASES, sizeof *all), total = 0;
    for (int i = 0; i < PHASES; i++) {
        own[i] = profile_seconds((Phase)i);
        total += i == PHASE_OTHER ? 0 : own[i];
    }
    for (int i = 0; i < PHASES; i++) {
        own[i] = 100 * ratio(own[i], total);
    }
    comm_gather_double(world, own, PHASES, all);
    metrics_begin(p, "profile");
    progress_line(p, "\n%-34s mean     least      most  (rank)", title);
    for (int i = PHASE_OTHER + 1; i < PHASES; i++) {
        double mean = 0, least = 100;
        int most = 0;
        for (int r = 0; r < world->size; r++) {
            const double share = all[r * PHASES + i];
            mean += share / world->size;
            least = share < least ? share : least;
            most = share > all[most * PHASES + i] ? r : most;
        }
        metrics_number(p, profile_name((Phase)i), mean);
        progress_line(p, "  %-30s %5.1f %%   %5.1f %%   %5.1f %%  (%d)", profile_name((Phase)i),
                      mean, least, all[most * PHASES + i], most);
    }
    metrics_end(p);
    mem_free(all);
}

/** Steps of an epoch, from first_batch on. Error CODE_STOPPED: asked to stop, and saved. */
static Status train_steps(Run *run, int epoch, int first_batch)
{
    Trainer *trainer = run->trainer;
    const int most = trainer->config.max_steps;
    for (int b = first_batch; b < run->order.n_batches && (most == 0 || trainer->steps < most);
         b++) {
        saver_ask(&run->saver);
        const Status status = train_step(run, epoch, b);
        const int wish = saver_answer(&run->saver);
        TRY(status);
        const bool last =
            most > 0 &&
            trainer->steps >= most;  // before the epoch's end, so that it can go on later
        if (wish != 0 || last) {
            TRY(save_run(run, epoch, b + 1));
        }
        if ((wish & SAVER_STOP) != 0) {
            return status_error(CODE_STOPPED,
                                "stopped after step %ld as asked; go on with --resume auto",
                                trainer->steps);
        }
    }
    return status_ok();
}

static Status train_epoch(Run *run, int epoch)
{
    Trainer *trainer = run->trainer;
    const TrainConfig *c = &trainer->config;
    const size_t stats_bytes = (size_t)c->groups * (size_t)trainer->task.n_stats * sizeof(double);
    const bool goes_on = epoch == run->first_epoch && run->first_batch > 0;
    batch_order_training(&run->order, trainer->train, c->batch, c->seed, epoch);
    if (!goes_on) {
        memset(run->epoch_stats, 0, stats_bytes);
        memset(run->recent_stats, 0, stats_bytes);
        run->epoch_start = run->recent_start = clock_now();
        run->epoch_flops = gemm_flops();
    }
    TRY(train_steps(run, epoch, goes_on ? run->first_batch : 0));
    const double seconds = clock_now() - run->epoch_start, flops = gemm_flops();
    Chunks dev = {0};
    Status status = evaluate_epoch(run, epoch, &dev);
    run->epoch_flops += gemm_flops() - flops;  // products of the evaluation do not count
    if (status.code == CODE_OK) {
        report_epoch(run, epoch, &dev, seconds);
        if (c->profile) {
            report_phases(run, "share of step time, so far");
        }
    }
    chunks_free(&dev);
    return status;
}

static void write_final(Run *run, double seconds)
{
    Trainer *trainer = run->trainer;
    const Params *params = trainer->task.params;
    Progress *p = trainer->progress;
    char digest_hex[DIGEST_TEXT];
    Tensors tensors;
    tensors_list(&tensors, params, &run->optim, trainer->task.experts, &run->expert_optim);
    tensors_digest_run(digest_hex, NULL, trainer->mesh, &tensors, trainer->steps);
    tensors_free(&tensors);
    metrics_begin(p, "final");
    metrics_integer(p, "step", trainer->steps);
    metrics_integer(p, "best_epoch", trainer->best_epoch);
    metrics_number(p, "seconds", seconds);
    write_scores(p, "dev", &trainer->best_dev);
    if (trainer->test != NULL) {
        write_scores(p, "test", &trainer->best_test);
    }
    metrics_integer(p, "parameters_total",
                    (long)(params_count(params, PARAM_DENSE) + params_count(params, PARAM_ROWS) +
                           params_count(trainer->task.experts, PARAM_EXPERT)));
    metrics_integer(p, "parameters_dense", (long)params_count(params, PARAM_DENSE));
    metrics_integer(p, "parameters_expert",
                    (long)params_count(trainer->task.experts, PARAM_EXPERT));
    metrics_integer(p, "parameters_word_vectors", (long)params_count(params, PARAM_ROWS));
    metrics_integer(p, "parameters_active_per_token", (long)trainer->active_per_token);
    metrics_number(p, "peak_memory_mib", clock_peak_memory() / 1048576);
    metrics_text(p, "digest", digest_hex);
    metrics_end(p);
    progress_line(p, "digest %s", digest_hex);
}

/** What checkpoints are made of. */
static void init_saver(Run *run)
{
    Trainer *trainer = run->trainer;
    saver_init(&run->saver, trainer->config.save, trainer->progress);
    if (trainer->card == NULL) {
        run->saver.config.dir = NULL;
    }
    run->saver.checkpoint = (Checkpoint){.mesh = trainer->mesh,
                                         .card = trainer->card,
                                         .params = trainer->task.params,
                                         .experts = trainer->task.experts,
                                         .optim = &run->optim,
                                         .expert_optim = &run->expert_optim,
                                         .groups = trainer->config.groups,
                                         .n_stats = trainer->task.n_stats,
                                         .first_group = run->first_group,
                                         .last_group = run->last_group,
                                         .epoch_stats = run->epoch_stats,
                                         .recent_stats = run->recent_stats,
                                         .route_stats = run->route_log.stats,
                                         .best_dev = run->best_dev,
                                         .best_test = run->best_test,
                                         .n_dev = trainer->dev->conll.n_tokens};
    if (trainer->test != NULL) {
        run->saver.checkpoint.n_test = trainer->test->conll.n_tokens;
    }
}

static void run_init(Run *run, Trainer *trainer)
{
    const TrainConfig *c = &trainer->config;
    const size_t rows = (size_t)c->groups * (size_t)trainer->task.n_stats;
    int tokens = trainer->dev->conll.n_tokens;
    if (trainer->test != NULL && trainer->test->conll.n_tokens > tokens) {
        tokens = trainer->test->conll.n_tokens;
    }
    *run = (Run){.trainer = trainer};
    optim_init(&run->optim, c->optim, trainer->task.params);
    optim_init(&run->expert_optim, c->optim, trainer->task.experts);
    gradsync_init(&run->sync, trainer->mesh, trainer->task.params, trainer->task.experts, c->groups,
                  c->plain_sums);
    batch_maker_init(&run->maker, trainer->lexicon, c->unknown, c->seed);
    comm_groups(&trainer->mesh->world, c->groups, &run->first_group, &run->last_group);
    run->epoch_stats = mem_alloc(rows, sizeof(double));
    run->recent_stats = mem_alloc(rows, sizeof(double));
    run->label = mem_alloc((size_t)tokens, sizeof(int));
    run->best_dev = mem_alloc((size_t)trainer->dev->conll.n_tokens, sizeof(int));
    run->best_test = trainer->test == NULL
                         ? NULL
                         : mem_alloc((size_t)trainer->test->conll.n_tokens, sizeof(int));
    run->run_start = run->epoch_start = run->recent_start = clock_now();
    trainer->best_f1 = -1;
    trainer->best_epoch = 0;
    trainer->steps = 0;
    route_log_init(&run->route_log, c->routes, trainer->mesh, &trainer->task, trainer->lexicon,
                   trainer->train, trainer->dev, c->groups);
    run->routes.expert =
        mem_alloc((size_t)trainer->dev->conll.n_tokens * (size_t)trainer->task.top_k, sizeof(int));
    run->routes.weight = mem_alloc(
        (size_t)trainer->dev->conll.n_tokens * (size_t)trainer->task.top_k, sizeof(double));
    init_saver(run);
}

static void run_free(Run *run)
{
    optim_free(&run->optim);
    optim_free(&run->expert_optim);
    gradsync_free(&run->sync);
    batch_maker_free(&run->maker);
    batch_order_free(&run->order);
    arena_free(&run->arena);
    mem_free(run->epoch_stats);
    mem_free(run->recent_stats);
    mem_free(run->label);
    mem_free(run->best_dev);
    mem_free(run->best_test);
    mem_free(run->routes.expert);
    mem_free(run->routes.weight);
    route_log_free(&run->route_log);
    saver_free(&run->saver);
}

/** Go on where a checkpoint stands. */
static Status resume(Run *run)
{
    Trainer *trainer = run->trainer;
    const Cursor *c = &run->saver.checkpoint.cursor;
    TRY(saver_resume(&run->saver, trainer->resume, trainer->n_resume, &run->resumed_from));
    const char *path = run->resumed_from;
    const double now = clock_now();
    run->first_epoch = (int)c->epoch;
    run->first_batch = (int)c->batch;
    run->first_step = trainer->steps = (long)c->step;
    run->epochs_without_gain = (int)c->epochs_without_gain;
    run->epoch_start = now - c->epoch_seconds;
    run->recent_start = now - c->recent_seconds;
    run->epoch_flops = gemm_flops() - c->epoch_flops;
    run->seconds_before = c->seconds;
    trainer->best_f1 = c->best_f1;
    trainer->best_epoch = (int)c->best_epoch;
    if (trainer->best_epoch > 0) {
        evaluate_score(&trainer->best_dev, trainer->dev, trainer->lexicon, run->best_dev);
        TRY(saver_failed(&run->saver, keep_predictions(run, "dev", trainer->dev, run->best_dev)));
    }
    if (trainer->best_epoch > 0 && trainer->test != NULL) {
        evaluate_score(&trainer->best_test, trainer->test, trainer->lexicon, run->best_test);
        TRY(saver_failed(&run->saver,
                         keep_predictions(run, "test", trainer->test, run->best_test)));
    }
    progress_line(trainer->progress, "resumed from %s: %d epochs, %d batches, %ld steps done", path,
                  run->first_epoch, run->first_batch, trainer->steps);
    return status_ok();
}

/** metrics.jsonl, with what it had at the checkpoint. Collective. */
static Status open_metrics(const Run *run)
{
    const Trainer *trainer = run->trainer;
    const Checkpoint *c = &run->saver.checkpoint;
    Status status = status_ok();
    if (comm_is_root(&trainer->mesh->world) && trainer->config.save.dir != NULL) {
        status =
            metrics_open(trainer->progress, trainer->config.save.dir, c->history, c->n_history);
    }
    return comm_agree(&trainer->mesh->world, status);
}

/** The routing log, with what it had at the checkpoint; of a new run, with the untrained model's routes. Collective. */
static Status open_route_log(Run *run)
{
    const Trainer *trainer = run->trainer;
    const Cursor *c = &run->saver.checkpoint.cursor;
    char old[H5_PATH + 16];
    Chunks dev = {0};
    FILE *out = comm_is_root(&trainer->mesh->world) ? stderr : NULL;
    if (!route_log_on(&run->route_log)) {
        return status_ok();
    }
    if (run->resumed_from != NULL) {
        const char *slash = strrchr(run->resumed_from, '/');
        const int n = slash == NULL ? 0 : (int)(slash - run->resumed_from) + 1;
        snprintf(old, sizeof old, "%.*sroutes.h5", n, run->resumed_from);
        return route_log_begin(&run->route_log, old, c->route_steps, c->route_evals, c->route_trace,
                               out);
    }
    TRY(route_log_begin(&run->route_log, NULL, 0, 0, 0, out));
    profile_pause(true);
    score_corpus(run, trainer->dev, &dev);
    profile_pause(false);
    route_log_eval(&run->route_log, &run->routes, run->label, chunks_f1(&dev.all), 0, 0);
    run->evaluating += clock_now() - run->run_start;
    chunks_free(&dev);
    return route_log_flush(&run->route_log);
}

static Status train(Run *run)
{
    Trainer *trainer = run->trainer;
    TRY(trainer->n_resume > 0 ? resume(run) : status_ok());
    TRY(open_metrics(run));
    TRY(saver_failed(&run->saver, open_route_log(run)));
    int epoch = run->first_epoch;
    for (; !finished(run, epoch) || (epoch == run->first_epoch && run->first_batch > 0); epoch++) {
        TRY(train_epoch(run, epoch));
    }
    const int most = trainer->config.max_steps;
    if (epoch > run->first_epoch && (most == 0 || trainer->steps < most)) {
        TRY(save_run(run, epoch, 0));
    }
    TRY(saver_failed(&run->saver, route_log_flush(&run->route_log)));
    report_phases(run, "share of step time, the whole run");
    write_final(run, run->seconds_before + clock_now() - run->run_start);
    return status_ok();
}

Status trainer_run(Trainer *trainer)
{
    Run run;
    run_init(&run, trainer);
    const Status status = train(&run);
    metrics_close(trainer->progress);
    run_free(&run);
    return status;
}

void trainer_free(Trainer *trainer)
{
    chunks_free(&trainer->best_dev);
    chunks_free(&trainer->best_test);
}
