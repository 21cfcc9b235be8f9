// SPDX-License-Identifier: Apache-2.0
/** From files to numbers: a lexicon (words, characters, labels) made from the training file, and corpora encoded by it. Local.
 */
#ifndef MOE_DATA_CORPUS_H
#define MOE_DATA_CORPUS_H

#include "data/conll.h"
#include "data/feature.h"
#include "data/tagset.h"
#include "data/vocab.h"

/** What a model knows of words. Zeroed struct: empty and valid. */
typedef struct Lexicon {
    Vocab vocab;
    Coverage vectors_coverage;  // training words by the rows of the vectors file alone
    CharTable chars;
    Tagset tagset;
    StringTable spellings;     // distinct words as written, of all corpora encoded so far
    int *spelling_start;       // [spellings.n + 1]
    uint16_t *spelling_chars;  // [spelling_start[spellings.n]] characters of each
    int max_spellings, max_chars;
    StringTable gold_texts;  // IOB2 tags of all corpora, and of all labels
    int *label_text;         // [tagset.n_labels] number of a label's IOB2 tag in gold_texts
} Lexicon;

/** A file, encoded. Zeroed struct: empty and valid. */
typedef struct Corpus {
    Conll conll;
    TagScheme scheme;
    int n_entities;
    int *word;      // [n_tokens] row of the word table
    int *spelling;  // [n_tokens] number in lexicon->spellings
    int *cap;       // [n_tokens] CapClass
    int *label;     // [n_tokens] IOBES label, or LABEL_UNKNOWN_TYPE
    int *gold;      // [n_tokens] number in lexicon->gold_texts
    Coverage coverage;
} Corpus;

/** Read a file and recognise its scheme. Errors: those of conll_read() and tagset_scheme(). */
Status corpus_read(Corpus *corpus, const char *path, ConllColumns columns,
                   const char *comment_prefix, Notes *notes) MUST_USE;

/** Words, characters and labels of the training corpus. vectors_path NULL: word vectors are random. dim: their width, or 0
 * for that of the file (100 without one).
 * Errors (CODE_INPUT): those of vectors_read() and vocab_build(); a training file without sentences or without entities. */
Status lexicon_build(Lexicon *lexicon, const Corpus *train, const char *vectors_path, int dim,
                     uint64_t seed, Notes *notes) MUST_USE;

/** IOB2 tags of all labels, as the corpora's gold tags are; by lexicon_build(), or when the tagset comes from elsewhere. */
void lexicon_name_labels(Lexicon *lexicon);

/** Fill the arrays of a corpus; new spellings join the lexicon. */
void corpus_encode(Corpus *corpus, Lexicon *lexicon, Notes *notes);

/** Tokens of a sentence. */
static inline int corpus_length(const Corpus *corpus, int sentence)
{
    return corpus->conll.sentence_start[sentence + 1] - corpus->conll.sentence_start[sentence];
}

void corpus_free(Corpus *corpus);
void lexicon_free(Lexicon *lexicon);

#endif
