// SPDX-License-Identifier: Apache-2.0
/** Figures of a routing log: does the choice of an expert follow the label, the word, or nothing at all? Local, pure functions.
 *
 * Everything is about the development corpus at one evaluation, and about first choices where nothing else is said. Letters:
 * report/route_data.h.
 */
#ifndef MOE_REPORT_ROUTE_STATS_H
#define MOE_REPORT_ROUTE_STATS_H

#include "report/route_data.h"

/** Rounds of the shuffled control. */
enum { ROUTE_ROUNDS = 20 };

/** Weight of the prior of route_log_odds() in tokens. */
#define ROUTE_PRIOR 500.0

/** What an expert's number says of a token's class (its label, capitals, ...). */
typedef struct RouteInformation {
    int64_t n;         // tokens
    double bits;       // mutual information, from the counts as they are (plug-in): too large
    double corrected;  // the same with the correction of Miller and Madow; may be below 0
    double entropy;    // of the classes, bits, plug-in
    double entropy_corrected;  // Miller-Madow
    double share;   // corrected / entropy_corrected, at least 0; 0 when there is one class alone
    double purity;  // tokens of the commonest class of their expert / tokens
    double purity_of_one;  // the same when all tokens went to one expert
} RouteInformation;

/** Of a table of counts [classes, E].
 *
 *     I = H(class) + H(expert) - H(class, expert)
 *     Miller-Madow: each H gets (cells that are not empty - 1) / 2 n nats more
 *
 * Source: Miller 1955, "Note on the bias of information estimates". */
RouteInformation route_information(const int32_t *count, int classes, int E);

/** The same of tokens whose experts were shuffled among them: mean and standard deviation over the rounds. */
typedef struct RouteControl {
    double bits, corrected, purity;
    double bits_spread, corrected_spread, purity_spread;
} RouteControl;
RouteControl route_shuffled(const int32_t *count, int classes, int E, int rounds);

/** Ways to sort tokens in classes. */
typedef enum RouteKind {
    ROUTE_LABEL,         // gold label
    ROUTE_ENTITY_LABEL,  // the same of the tokens that are not O
    ROUTE_CAPITAL,
    ROUTE_FREQUENCY,  // of the word in the training corpus
    ROUTE_KNOWN,      // is the word in the training corpus?
    ROUTE_KINDS
} RouteKind;

/** "label", "capitals", ...; and the name of one class. */
const char *route_kind_name(RouteKind kind);
const char *route_class_name(const RouteData *data, RouteKind kind, int number);

/** First choices at an evaluation: count [classes, E], a part of data. */
typedef struct RouteTable {
    const int32_t *count;
    int classes;
} RouteTable;
RouteTable route_table(const RouteData *data, int eval, RouteKind kind);

/** An expert at an evaluation and in training. */
typedef struct RouteExpert {
    double first, any;  // share of first choices, of all choices
    double weight;      // mean gate weight of the choices that fell on it; at the last evaluation
    double trained;     // share of all choices in the last tenth of the rows of training
    double dropped;     // choices dropped / choices that fell on it, in all of training
    bool dead;          // not one choice of the evaluation fell on it
} RouteExpert;

/** expert [E]; eval 0 .. m-1. Without any evaluation (eval -1): dead when the last tenth of training has no choice of it. */
void route_experts(const RouteData *data, int eval, RouteExpert *expert);

/** A label of an expert, or an expert of a label. */
typedef struct RouteShare {
    int number, count;
    double share;  // of the expert's tokens; of the label's tokens
    double lift;   // share / share in all tokens
} RouteShare;

/** Labels of an expert, or experts of a label, commonest first; returns how many (those without a token are left out). */
int route_labels_of(const RouteData *data, int eval, int expert, RouteShare *top, int most);
int route_experts_of(const RouteData *data, int eval, int label, RouteShare *top, int most);

/** Weighted log-odds of a word in two bodies of text, with an informative Dirichlet prior: how many standard errors its odds
 * are above those elsewhere.
 *
 *     d = log((y + a) / (n + A - y - a)) - log((y' + a) / (n' + A - y' - a)),   z = d / sqrt(1 / (y + a) + 1 / (y' + a))
 *
 * y of n tokens inside, y' of n' outside; prior a of A: the word's share of all tokens, times A.
 * Source: Monroe, Colaresi, Quinn 2008, "Fightin' words", equations 16, 22. */
double route_log_odds(double inside, double n_inside, double outside, double n_outside,
                      double prior);

typedef struct RouteWord {
    int word, count, total;  // tokens of the expert, of all
    double z;                // route_log_odds()
} RouteWord;

/** The most typical words of an expert at the last evaluation, z > 0, largest first; returns how many. */
int route_words_of(const RouteData *data, int expert, RouteWord *top, int most);

/** Tokens with the same first choice in two evaluations (share), and how many would by chance, given how often each expert is
 * chosen. a, b: [n]. */
typedef struct RouteAgreement {
    double same, chance;
} RouteAgreement;
RouteAgreement route_agreement(const int32_t *a, const int32_t *b, int n, int E);

/** count [A, B]: of pairs (a[i], b[i]), for route_information() of two routings of the same tokens. */
void route_pairs(const int32_t *a, const int32_t *b, int n, int B, int32_t *count);

/** value [n] of the rows of training: choices in a table [n, E] (dropped, skipped) / all choices; and an expert's share of all
 * choices, before any drop. NaN for a row without tokens. */
void route_rate(const RouteData *data, const int32_t *table, double *value);
void route_load_share(const RouteData *data, int expert, double *value);

/** The evaluation before the first step, or -1. */
int route_untrained(const RouteData *data);

/** [T] first choices at an evaluation. */
const int32_t *route_first(const RouteData *data, int eval);

/** route_information() of a kind at an evaluation. */
RouteInformation route_information_at(const RouteData *data, int eval, RouteKind kind);

#endif
