// SPDX-License-Identifier: Apache-2.0
#include "app/selftest.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/gradcheck.h"
#include "app/train_settings.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/digest.h"
#include "data/synth.h"
#include "math/gemm.h"
#include "train/trainer.h"

enum { SENTENCES = 600, LEAST_F1 = 30 };

/** What a short run leaves to compare. */
typedef struct Outcome {
    char digest[DIGEST_TEXT];
    double f1;
} Outcome;

/** A made-up corpus on disk, for as long as it takes to read it. */
static Status make_corpus(Corpus *corpus, SynthSplit split, long n, Notes *notes)
{
    const char *folder = getenv("TMPDIR");
    char path[1024];
    snprintf(path, sizeof path, "%s/moe-selftest-XXXXXX", folder != NULL ? folder : "/tmp");
    const int descriptor = mkstemp(path);
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "w");
    if (file == NULL) {
        return status_error(CODE_FAILED,
                            "%s: cannot be made; set TMPDIR to a folder that can be written", path);
    }
    synth_write(file, 1, split, n);
    const bool written = fclose(file) == 0;
    Status status =
        written ? corpus_read(corpus, path, (ConllColumns){0, -1}, NULL, notes)
                : status_error(CODE_FAILED, "%s: cannot be written: is the disk full?", path);
    unlink(path);
    return status;
}

static Status train_once(const Comm *comm, Outcome *outcome)
{
    TrainSettings settings;
    Option table[TRAIN_SETTINGS_MAX];
    Options options;
    char *words[] = {"moe_train",          "--train=-",   "--dev=-",       "--out=-",
                     "--hidden=32",        "--experts=4", "--epochs=4",    "--batch=16",
                     "--expert-hidden=32", "--lr=0.005",  "--word-dim=32", NULL};
    Notes notes = {0};
    Corpus train = {0}, dev = {0};
    Lexicon lexicon = {0};
    Progress progress;
    Tagger tagger;
    Mesh mesh = {.world = *comm};
    Tensors tensors;

    train_settings_table(&options, table, &settings);
    TRY(options_parse(&options, (int)(sizeof words / sizeof *words) - 1, words));
    TRY(train_settings_complete(&settings, comm->size));
    TRY(comm_agree(comm, make_corpus(&train, SYNTH_TRAIN, SENTENCES, &notes)));
    TRY(comm_agree(comm, make_corpus(&dev, SYNTH_DEV, SENTENCES / 4, &notes)));
    TRY(lexicon_build(&lexicon, &train, NULL, settings.word_dim, settings.seed, &notes));
    corpus_encode(&train, &lexicon, &notes);
    corpus_encode(&dev, &lexicon, &notes);
    progress_init(&progress, PROGRESS_NONE, false, NULL);
    mesh_init(&mesh, train_settings_ep_size(&settings, comm->size));
    tagger_init(&tagger, train_settings_tagger(&settings, &lexicon), lexicon.vocab.vectors.row,
                NULL, &mesh, tagger_groups_of(&mesh, settings.groups));
    Trainer trainer = {.config = train_settings_trainer(&settings),
                       .mesh = &mesh,
                       .task = tagger_task(&tagger),
                       .lexicon = &lexicon,
                       .train = &train,
                       .dev = &dev,
                       .progress = &progress};
    trainer.config.save.dir = trainer.config.routes.dir = NULL;
    trainer.config.peak = 1;
    Status status = trainer_run(&trainer);
    tensors_list(&tensors, &tagger.params, NULL, &tagger.experts, NULL);
    tensors_digest_run(outcome->digest, NULL, &mesh, &tensors, -1);
    tensors_free(&tensors);
    outcome->f1 = trainer.best_f1;
    trainer_free(&trainer);
    tagger_free(&tagger);
    mesh_free(&mesh);
    lexicon_free(&lexicon);
    corpus_free(&train);
    corpus_free(&dev);
    options_free(&options);
    return status;
}

Status selftest_run(const Comm *comm, FILE *out)
{
    const double start = clock_now();
    Outcome first, second;
    if (!gradcheck_all_double(out)) {
        return status_error(CODE_FAILED, "selftest: a gradient is wrong; do not trust this build");
    }
    TRY(train_once(comm, &first));
    TRY(train_once(comm, &second));
    if (out != NULL) {
        fprintf(out, "short training run: development F1 %.2f, digest %s\n", first.f1,
                first.digest);
    }
    if (strcmp(first.digest, second.digest) != 0) {
        return status_error(CODE_FAILED, "selftest: the same run twice gave two digests: %s and %s",
                            first.digest, second.digest);
    }
    if (!(first.f1 >= LEAST_F1)) {
        return status_error(CODE_FAILED,
                            "selftest: the tagger did not learn: F1 %.2f, expected at least %d",
                            first.f1, LEAST_F1);
    }
    if (out != NULL) {
        fprintf(out, "selftest passed in %.1f s\n", clock_now() - start);
    }
    return status_ok();
}
