# Development F1 by epoch, from the metrics.jsonl of two runs:
#   gnuplot -e "moe='RUN_MOE'; dense='RUN_DENSE'" results/learning.gp > results/learning.svg
f1(dir) = "< sed -n 's/.*\"event\": \"epoch\", \"epoch\": \\([0-9]*\\),.*\"dev_f1\": \\([0-9.]*\\),.*/\\1 \\2/p' ".dir."/metrics.jsonl"
set terminal svg size 720,420 font "sans-serif,13" background "#ffffff"
set title "CoNLL-2003, development F1 (seed 1, default options)"
set xlabel "epoch"
set ylabel "F1"
set yrange [90:95.5]
set grid ytics lc rgb "#dddddd"
set key right bottom
set border 3 lc rgb "#555555"
set tics nomirror
plot f1(moe) using 1:2 with linespoints lw 2 pt 7 ps 0.5 lc rgb "#c1440e" title "mixture of experts (E = 8, K = 2)", \
     f1(dense) using 1:2 with linespoints lw 2 pt 5 ps 0.5 lc rgb "#1f5f8b" title "dense, the same work per token", \
     94 with lines dt 2 lc rgb "#888888" notitle
