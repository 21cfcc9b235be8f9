// SPDX-License-Identifier: Apache-2.0
/** A made-up corpus with its lexicon, for tests. */
#ifndef MOE_TESTS_TEST_CORPUS_H
#define MOE_TESTS_TEST_CORPUS_H

#include <stdio.h>
#include <stdlib.h>

#include "data/corpus.h"
#include "data/synth.h"
#include "scratch.h"

typedef struct TestCorpus {
    Corpus corpus;
    Lexicon lexicon;
} TestCorpus;

/** n training sentences, random word vectors of width 8. */
static inline void test_corpus_init(TestCorpus *test, int n)
{
    Notes notes = {0};
    Scratch scratch = scratch_write("", 0);
    *test = (TestCorpus){0};
    FILE *out = fopen(scratch.path, "w");
    CHECK(out != NULL, "%s: cannot be opened", scratch.path);
    synth_write(out, 4, SYNTH_TRAIN, n);
    CHECK(fclose(out) == 0, "%s: cannot be written", scratch.path);
    Status status = corpus_read(&test->corpus, scratch.path, (ConllColumns){0, -1}, NULL, &notes);
    scratch_remove(&scratch);
    CHECK(status.code == CODE_OK, "%s", status.text);
    status = lexicon_build(&test->lexicon, &test->corpus, NULL, 8, 2, &notes);
    CHECK(status.code == CODE_OK, "%s", status.text);
    corpus_encode(&test->corpus, &test->lexicon, &notes);
}

static inline void test_corpus_free(TestCorpus *test)
{
    corpus_free(&test->corpus);
    lexicon_free(&test->lexicon);
}

#endif
