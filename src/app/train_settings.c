// SPDX-License-Identifier: Apache-2.0
#include "app/train_settings.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#define GROUP(heading)                                                                             \
    {                                                                                              \
        .name = heading, .kind = OPTION_GROUP                                                      \
    }
#define TEXT(flag, field, what, words)                                                             \
    {                                                                                              \
        .name = flag, .kind = OPTION_TEXT, .value = &s->field, .choices = what, .help = words      \
    }
#define INT(flag, field, value_text, low, high, words)                                             \
    {                                                                                              \
        .name = flag, .kind = OPTION_INT, .value = &s->field, .fallback = value_text, .min = low,  \
        .max = high, .help = words                                                                 \
    }
#define REAL(flag, field, value_text, low, high, words)                                            \
    {                                                                                              \
        .name = flag, .kind = OPTION_REAL, .value = &s->field, .fallback = value_text, .min = low, \
        .max = high, .help = words                                                                 \
    }
#define CHOICE(flag, field, value_text, list, words)                                               \
    {                                                                                              \
        .name = flag, .kind = OPTION_CHOICE, .value = &s->field, .fallback = value_text,           \
        .choices = list, .help = words                                                             \
    }
#define FLAG(flag, field, words)                                                                   \
    {                                                                                              \
        .name = flag, .kind = OPTION_FLAG, .value = &s->field, .fallback = "false", .help = words, \
        .transient = true                                                                          \
    }

/** Options that a run which goes on may change; files are compared by content. */
static void set_resume(Option *option, int n)
{
    const char *changes[] = {
        "train",    "dev",      "test",    "vectors",          "epochs", "max-steps",
        "patience", "progress", "timeout", "checkpoint-every", "keep",   "on-save-failure",
        "log-every"};
    const char *anew[] = {"ep-size", "stop-after"};
    for (int i = 0; i < n; i++) {
        for (size_t j = 0; j < sizeof changes / sizeof *changes; j++) {
            option[i].resume =
                strcmp(option[i].name, changes[j]) == 0 ? RESUME_FREE : option[i].resume;
        }
        for (size_t j = 0; j < sizeof anew / sizeof *anew; j++) {
            option[i].resume =
                strcmp(option[i].name, anew[j]) == 0 ? RESUME_ANEW : option[i].resume;
        }
    }
}

void train_settings_table(Options *options, Option *option, TrainSettings *s)
{
    const Option table[] = {
        GROUP("data"),
        TEXT("train", train, "FILE",
             "Training corpus, CoNLL columns (plain or gzip; IOB1, IOB2 or IOBES)."),
        TEXT("dev", dev, "FILE",
             "Development corpus: scored after every epoch, decides which epoch is best."),
        TEXT("test", test, "FILE", "Test corpus: scored with the weights of the best epoch."),
        TEXT("vectors", vectors, "FILE",
             "Word vectors: GloVe text, word2vec text or binary, plain or gzip. Without: random."),
        INT("word-dim", word_dim, "0", 0, 4096,
            "Width of the word vectors; 0: that of the --vectors file, or 100 without one. Another "
            "width in the file is an error."),
        {.name = "columns",
         .kind = OPTION_TEXT,
         .value = &s->columns,
         .fallback = "token=0,tag=-1",
         .choices = "LIST",
         .help = "Columns of token and tag, from 0; -1 is the last."},
        TEXT("comment-prefix", comment_prefix, "TEXT",
             "Skip lines that begin so. Without: a line with # is a token like any other."),
        GROUP("model"),
        CHOICE("ffn", ffn, "moe", "none|dense|moe",
               "Block after the BiLSTM: nothing, a dense feed-forward block, or a mixture of "
               "experts. dense has hidden "
               "width top-k x expert-hidden: the same work per token as the mixture."),
        INT("hidden", hidden, "200", 1, 8192, "Hidden width of the LSTM, per direction."),
        INT("layers", layers, "1", 1, TAGGER_MAX_LAYERS, "Layers of the BiLSTM."),
        INT("char-dim", char_dim, "30", 1, 1024, "Width of a character's embedding."),
        INT("char-filters", char_filters, "50", 1, 1024,
            "Filters of the character convolution (width 3)."),
        INT("cap-dim", cap_dim, "0", 0, 256, "Width of a capitalisation feature; 0: none."),
        REAL("dropout", dropout, "0.5", 0, 0.95, "Dropout before and after the BiLSTM."),
        INT("experts", experts, "8", 1, STAT_MAX_EXPERTS, "Experts of the mixture."),
        INT("top-k", top_k, "2", 1, 64, "Experts that a token is sent to."),
        INT("expert-hidden", expert_hidden, "400", 1, 65536, "Hidden width of an expert."),
        REAL("capacity-factor", capacity_factor, "1.25", 0, 1e6,
             "An expert takes at most factor x top-k x tokens / experts tokens of a group; 0: "
             "nothing is dropped."),
        INT("min-capacity", min_capacity, "4", 1, INT_MAX,
            "An expert takes at least this many tokens of a group."),
        CHOICE("second-expert", second_expert, "paper", "paper|conserve|all",
               "Second choices: sent with probability 2 x weight, a skipped one keeps its slot "
               "(paper) or frees it "
               "(conserve); or all are sent."),
        REAL("balance-loss", balance_loss, "0.1", 0, 1e6,
             "Weight of the load-balance loss (1 when balanced), beside a loss per sentence."),
        REAL("z-loss", z_loss, "0", 0, 1e6, "Weight of the gate's z-loss."),
        REAL("jitter", jitter, "0", 0, 0.99,
             "The gate's input is multiplied by 1 +- this while training."),
        GROUP("training"),
        INT("epochs", epochs, "30", 1, INT_MAX, "Passes through the training corpus."),
        INT("max-steps", max_steps, "0", 0, INT_MAX, "Stop after so many steps; 0: no limit."),
        INT("batch", batch, "32", 1, 1000000, "Sentences of a batch, over all ranks together."),
        INT("groups", groups, "0", 0, 4096,
            "Groups that a batch is cut into: each has its own capacity, and results depend on "
            "their number, never on the "
            "number of ranks. 0: the ranks, rounded up to a power of two."),
        INT("ep-size", ep_size, "0", 0, INT_MAX,
            "Ranks that hold all experts once, a divisor of the ranks; the other ranks are "
            "replicas. 0: the largest that "
            "leaves no rank without an expert. Results do not depend on it."),
        CHOICE("optimizer", optimizer, "adam", "sgd|adam|adamw", "Optimiser."),
        REAL("lr", lr, "0", 0, 1e3, "Learning rate; 0: 0.001 for adam and adamw, 0.015 for sgd."),
        REAL("lr-decay", lr_decay, "0.05", 0, 1e3,
             "The rate of epoch e (from 0) is lr / (1 + lr-decay x e)."),
        INT("warmup", warmup, "0", 0, INT_MAX, "Steps over which the rate grows from 0."),
        REAL("momentum", momentum, "0.9", 0, 0.9999, "Momentum of sgd."),
        REAL("weight-decay", weight_decay, "0", 0, 1,
             "Decay of matrices: added to the gradient, or (adamw) by itself."),
        REAL("clip", clip, "5", 0, HUGE_VAL, "Largest norm of the whole gradient; 0: no limit."),
        REAL("average", average, "0", 0, 0.999999,
             "Decay of averaged weights, e.g. 0.999; scores are then those of the average. 0: "
             "none."),
        REAL(
            "unknown", unknown, "0.5", 0, 1,
            "A word seen once, and not in --vectors, is trained as unknown with this probability."),
        INT("patience", patience, "0", 0, INT_MAX,
            "Stop after so many epochs without a better development F1; 0: never."),
        {.name = "seed",
         .kind = OPTION_SEED,
         .value = &s->seed,
         .fallback = "1",
         .help = "Seed of all random numbers."},
        GROUP("run"),
        {.name = "out",
         .kind = OPTION_TEXT,
         .value = &s->out,
         .choices = "DIR",
         .transient = true,
         .help = "Folder of the run; it must not exist yet."},
        FLAG("overwrite", overwrite, "Begin anew in --out although it exists."),
        {.name = "resume",
         .kind = OPTION_TEXT,
         .value = &s->resume,
         .fallback = "never",
         .choices = "auto|never|FILE",
         .transient = true,
         .help = "Go on from the newest whole checkpoint in --out (auto; a new run when there is "
                 "none), or from a file. Options "
                 "that are not given are those of the run."},
        {.name = "init",
         .kind = OPTION_TEXT,
         .value = &s->init,
         .choices = "FILE",
         .help = "Start from the weights of a checkpoint or best.h5 of another run. From --ffn "
                 "dense into --ffn moe every expert is a "
                 "copy of the dense block: give --expert-hidden its width."},
        REAL("checkpoint-every", checkpoint_every, "300", 0, 1e9,
             "Seconds between checkpoints; 0: only at the end, and when asked to stop."),
        INT("keep", keep, "2", 1, 1000, "Checkpoints that stay: last.h5, last-1.h5, ..."),
        CHOICE("on-save-failure", on_save_failure, "stop", "stop|continue",
               "What a file of the run that cannot be written means."),
        REAL("stop-after", stop_after, "0", 0, 1e9,
             "Save and leave with exit code 75 after so many seconds, before a batch system does "
             "it; 0: never."),
        {.name = "config",
         .kind = OPTION_TEXT,
         .value = &s->config,
         .choices = "FILE",
         .transient = true,
         .help = "Read options from an .ini file, such as config.ini of an earlier run; the "
                 "command line wins."},
        INT("log-every", log_every, "100", 1, INT_MAX, "Steps between log lines."),
        INT("route-every", route_every, "10", 0, INT_MAX,
            "Steps between rows of the routing log routes.h5; 0: no log."),
        INT("trace-tokens", trace_tokens, "0", 0, INT_MAX,
            "Log every token of every so many-th step (choices, weights, slots, what was dropped); "
            "0: none."),
        CHOICE("progress", progress, "auto", "auto|bar|plain|none",
               "What is shown: a bar on a terminal and lines otherwise, or one of them."),
        REAL("timeout", timeout, "300", 0.1, 1e6,
             "Seconds that a rank waits for others before all are stopped with a line that says "
             "who is late."),
        CHOICE("sum", sum, "tree", "tree|mpi",
               "How gradients are added over ranks: in the order of a fixed tree, the same bits on "
               "any number of ranks, or by "
               "MPI_Allreduce, for comparison."),
        FLAG("profile", profile,
             "Show after every epoch, and not only at the end, which share of the time each phase "
             "of "
             "the steps took, over all ranks."),
        FLAG("dry-run", dry_run,
             "Show what would be built (sizes, memory, work, capacity), then stop."),
        FLAG("selftest", selftest,
             "Check all gradients and train for a moment on made-up text, then stop."),
        FLAG("version", version, "Print versions, then stop."),
        FLAG("help", help, "Print this text, then stop."),
    };
    memcpy(option, table, sizeof table);
    set_resume(option, (int)(sizeof table / sizeof *table));
    *options = (Options){
        .program = "moe_train",
        .usage = "moe_train --train FILE --dev FILE --out DIR [options]\n"
                 "       mpirun -np N moe_train --train FILE --dev FILE --out DIR [options]",
        .purpose = "Train a named-entity tagger, BiLSTM + mixture of experts + CRF, on one or many "
                   "ranks. The run folder gets "
                   "config.ini, metrics.jsonl and the predictions of the best epoch.",
        .examples =
            "moe_train --train eng.train --dev eng.testa --vectors glove.6B.txt --out run1\n"
            "moe_train --train t.conll --dev d.conll --out run2 --ffn dense --epochs 10\n"
            "moe_train --config run1/config.ini --seed 2 --out run3\n",
        .option = option,
        .n = (int)(sizeof table / sizeof *table)};
}

Status train_settings_complete(TrainSettings *s, int n_ranks)
{
    const struct {
        const char *name, *value;
    } needed[] = {{"train", s->train}, {"dev", s->dev}, {"out", s->out}};
    for (int i = 0; i < (s->dry_run ? 2 : 3); i++) {
        if (needed[i].value == NULL || needed[i].value[0] == '\0') {
            return status_error(CODE_OPTION, "--%s is missing; see moe_train --help",
                                needed[i].name);
        }
    }
    if (n_ranks > s->batch) {
        return status_error(CODE_OPTION,
                            "--batch %d: there are %d ranks and each needs a sentence of a batch; "
                            "use --batch %d or fewer ranks",
                            s->batch, n_ranks, n_ranks);
    }
    for (int rounded = 1; s->groups == 0; rounded *= 2) {
        s->groups = rounded >= n_ranks ? rounded : 0;
    }
    if (n_ranks > s->groups) {
        return status_error(CODE_OPTION,
                            "--groups %d: there are %d ranks and each needs a group; use --groups "
                            "%d or fewer ranks",
                            s->groups, n_ranks, n_ranks);
    }
    if (s->groups > s->batch) {
        return status_error(
            CODE_OPTION,
            "--groups %d: a batch has only %d sentences; use --groups %d or a larger --batch",
            s->groups, s->batch, s->batch);
    }
    if (s->ep_size > 1 && s->ffn != FFN_MOE) {
        return status_error(CODE_OPTION, "--ep-size %d: --ffn %s has no experts; use --ep-size 1",
                            s->ep_size, s->ffn == FFN_DENSE ? "dense" : "none");
    }
    if (s->ep_size > 0 && n_ranks % s->ep_size != 0) {
        return status_error(CODE_OPTION,
                            "--ep-size %d: does not divide the %d ranks; use --ep-size %d",
                            s->ep_size, n_ranks, mesh_default_size(n_ranks, s->ep_size));
    }
    if (s->ffn == FFN_MOE && s->top_k > s->experts) {
        return status_error(CODE_OPTION, "--top-k %d: --experts is %d; raise it", s->top_k,
                            s->experts);
    }
    return status_ok();
}

int train_settings_ep_size(const TrainSettings *s, int n_ranks)
{
    return s->ep_size > 0      ? s->ep_size
           : s->ffn == FFN_MOE ? mesh_default_size(n_ranks, s->experts)
                               : 1;
}

TaggerConfig train_settings_tagger(const TrainSettings *s, const Lexicon *lexicon)
{
    return (TaggerConfig){.n_words = lexicon->vocab.vectors.n,
                          .d_word = lexicon->vocab.vectors.dim,
                          .n_chars = lexicon->chars.n,
                          .d_char = s->char_dim,
                          .n_filters = s->char_filters,
                          .d_cap = s->cap_dim,
                          .hidden = s->hidden,
                          .n_layers = s->layers,
                          .dropout = s->dropout,
                          .ffn = (FfnKind)s->ffn,
                          .n_experts = s->experts,
                          .top_k = s->top_k,
                          .expert_hidden = s->expert_hidden,
                          .second = (SecondExpert)s->second_expert,
                          .capacity = {s->capacity_factor, s->min_capacity},
                          .balance_loss = s->balance_loss,
                          .z_loss = s->z_loss,
                          .jitter = s->jitter,
                          .n_labels = lexicon->tagset.n_labels,
                          .seed = s->seed};
}

TrainConfig train_settings_trainer(const TrainSettings *s)
{
    const double lr = s->lr > 0 ? s->lr : s->optimizer == OPTIM_SGD ? 0.015 : 0.001;
    return (TrainConfig){
        .epochs = s->epochs,
        .max_steps = s->max_steps,
        .batch = s->batch,
        .groups = s->groups,
        .optim = {(OptimKind)s->optimizer, s->momentum, s->weight_decay, s->average},
        .schedule = {lr, s->lr_decay, s->warmup},
        .clip = s->clip,
        .unknown = s->unknown,
        .patience = s->patience,
        .log_every = s->log_every,
        .profile = s->profile,
        .plain_sums = s->sum == 1,
        .seed = s->seed,
        .routes = {s->out, "moe_train " MOE_VERSION, s->route_every, s->trace_tokens,
                   s->capacity_factor},
        .save = {s->out, s->checkpoint_every, s->stop_after, s->keep, s->on_save_failure == 1},
    };
}
