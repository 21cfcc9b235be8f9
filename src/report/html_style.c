// SPDX-License-Identifier: Apache-2.0
#include "report/html_style.h"

#include <math.h>

static const char sheet[] =
    ":root{color-scheme:light dark;--paper:#f6f5f2;--card:#fff;--ink:#1c2230;--soft:#596273;"
    "--hair:#e4e2dc;--grid:#eceae5;--heat:#2f5bb7;--full:#fff;--accent:#2f5bb7;--warn:#c2410c;"
    "--tint:24%;--strong:56%}\n"
    "@media(prefers-color-scheme:dark){:root{--paper:#11141a;--card:#191e27;--ink:#e7eaf0;"
    "--soft:#9ba5b5;--hair:#2a313d;--grid:#262d38;--heat:#7fa6ff;--full:#0d1220;"
    "--accent:#8fb1ff;--warn:#fb923c;--tint:30%;--strong:54%}}\n"
    "*{box-sizing:border-box}\n"
    "html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}\n"
    "body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"
    "\"Segoe UI\",Roboto,\"Noto Sans\",\"Liberation Sans\",Arial,sans-serif;"
    "font-variant-numeric:tabular-nums}\n"
    "header,main,footer{max-width:1280px;margin:0 auto;padding:0 24px}\n"
    "header{padding-top:40px}\n"
    "h1,h2,h3{line-height:1.2;margin:0;font-weight:650;letter-spacing:-.015em;text-wrap:balance}\n"
    "h1{font-size:clamp(1.6rem,4.5vw,2.4rem);overflow-wrap:anywhere}\n"
    "h2{font-size:clamp(1.25rem,3vw,1.55rem)}\n"
    "h3{font-size:1.05rem}\n"
    "p{margin:.5em 0}\n"
    "a{color:var(--accent);text-underline-offset:3px}\n"
    ".kicker{margin:0 0 6px;font-size:.8rem;font-weight:600;letter-spacing:.09em;"
    "text-transform:uppercase;color:var(--accent)}\n"
    ".sub,.note,figcaption span,footer{color:var(--soft)}\n"
    ".sub{margin:.6em 0 0;overflow-wrap:anywhere}\n"
    ".lead{max-width:74ch;font-size:1.06rem;margin:.5em 0 1.1em}\n"
    ".note{max-width:86ch;font-size:.87rem}\n"
    "nav{margin:22px 0 0;display:flex;flex-wrap:wrap;gap:4px 20px;font-size:.93rem;"
    "padding:10px 0;border:solid var(--hair);border-width:1px 0}\n"
    "nav a{text-decoration:none}\nnav a:hover{text-decoration:underline}\n"
    "section{margin:44px 0}\nh2+.wall,h2+.options{margin-top:16px}\n"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(136px,1fr));gap:12px;"
    "margin:24px 0 0;padding:0}\n"
    ".tiles div{background:var(--card);border:1px solid var(--hair);border-radius:12px;"
    "padding:13px 14px;display:flex;flex-direction:column}\n"
    ".tiles dt{order:2;font-size:.84rem;font-weight:600;line-height:1.3}\n"
    ".tiles dd{margin:0}\n"
    ".tiles "
    "dd.big{order:1;font-size:1.5rem;white-space:nowrap;font-weight:650;letter-spacing:-.02em;"
    "line-height:1.25}\n"
    ".tiles dd.small{order:3;font-size:.79rem;line-height:1.35;color:var(--soft);margin-top:3px}\n"
    ".wall{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,350px),1fr));"
    "gap:16px}\n"
    "figure,.card{margin:0;background:var(--card);border:1px solid var(--hair);"
    "border-radius:12px;padding:15px 15px 12px;min-width:0}\n"
    "figcaption{margin-bottom:10px;line-height:1.35}\n"
    "figcaption b{display:block;font-weight:650}\n"
    "figcaption span{font-size:.84rem}\n"
    "svg{display:block;width:100%;height:auto;overflow:visible}\n"
    ".tick{font-size:11px;fill:var(--soft)}\n"
    ".grid{stroke:var(--grid)}\n"
    ".line{fill:none;stroke:var(--c);stroke-width:1.8;stroke-linejoin:round;"
    "stroke-linecap:round}\n"
    ".area{fill:var(--c);fill-opacity:.85;stroke:var(--card);stroke-width:.6}\n"
    ".dot{fill:var(--c);stroke:var(--card);stroke-width:1}\n"
    ".key{fill:var(--c)}\n"
    ".chart .rule,.spark .rule{stroke:var(--soft);stroke-dasharray:4 3;stroke-width:1}\n"
    ".heat{fill:var(--heat)}\n"
    ".cell{font-size:11px;fill:var(--ink)}\n.full{fill:var(--full)}\n"
    ".a0{--c:var(--accent)}\n.a1{--c:var(--warn)}\n.a2{--c:var(--soft)}\n"
    ".bars{list-style:none;margin:0;padding:0;font-size:.87rem}\n"
    ".bars li{display:grid;grid-template-columns:var(--w,9.5em) 1fr 4.6em;gap:8px;"
    "align-items:center;margin:5px 0;line-height:1.25}\n"
    ".bars i{display:block;height:9px;border-radius:3px;background:var(--grid);overflow:hidden}\n"
    ".bars u{display:block;height:100%;border-radius:3px;background:var(--c,var(--heat))}\n"
    ".bars b{font-weight:500;text-align:right;white-space:nowrap}\n"
    ".bars .head{color:var(--soft);display:block;margin:12px 0 4px}\n"
    ".card{border-top:4px solid var(--c);--w:4.6em;display:flex;flex-direction:column;gap:9px}\n"
    ".card "
    "header{padding:0;margin:0;display:flex;align-items:baseline;justify-content:space-between;"
    "gap:10px}\n"
    ".card h3{white-space:nowrap}\n"
    ".card header span{color:var(--soft);font-size:.87rem;text-align:right}\n"
    ".card h4{margin:4px 0 -4px;font-size:.76rem;font-weight:600;letter-spacing:.05em;"
    "text-transform:uppercase;color:var(--soft)}\n"
    ".words{margin:0;line-height:1.75;overflow-wrap:anywhere}\n"
    ".words span{background:var(--grid);border-radius:5px;padding:1px 6px;margin-right:3px;"
    "display:inline-block;max-width:100%;line-height:1.5;unicode-bidi:isolate}\n"
    ".say{margin:0;font-size:.93rem;line-height:1.95;overflow-wrap:anywhere}\n"
    ".say+.say{border-top:1px solid var(--grid);padding-top:8px}\n"
    ".t{background:var(--c);background:color-mix(in srgb,var(--c) var(--tint),transparent);"
    "border-radius:4px;padding:0 3px;unicode-bidi:isolate;display:inline-block;max-width:100%;"
    "line-height:1.5}\n"
    ".f{background:color-mix(in srgb,var(--c) var(--strong),transparent)}\n"
    ".g{text-decoration:underline;text-decoration-thickness:2px;text-underline-offset:3px}\n"
    ".t sub{font-size:.66em;line-height:0;opacity:.8;padding-left:1px;"
    "display:inline-block}\n"
    "details{margin-top:10px;font-size:.87rem}\n"
    "summary{cursor:pointer;color:var(--soft);width:fit-content}\n"
    "summary:hover{color:var(--ink)}\n"
    ".scroll{overflow-x:auto;max-height:26em;overflow-y:auto;margin-top:8px}\n"
    "table{border-collapse:collapse;font-size:.82rem;line-height:1.35}\n"
    "th,td{padding:4px 9px;text-align:right;border-bottom:1px solid var(--grid);"
    "white-space:nowrap}\n"
    "th{font-weight:600;color:var(--soft)}\n"
    "th:first-child,td:first-child{text-align:left;padding-left:0}\n"
    ".options h3{margin:0 0 6px}\n"
    ".options dl{margin:0;display:grid;grid-template-columns:max-content minmax(0,1fr);"
    "gap:3px 14px;font-size:.87rem}\n"
    ".options dt{color:var(--soft)}\n.options dd{margin:0;overflow-wrap:anywhere}\n"
    "footer{padding-top:18px;padding-bottom:36px;font-size:.84rem}\n"
    "@media(max-width:560px){header,main,footer{padding-left:14px;padding-right:14px}"
    "header{padding-top:24px}section{margin:34px 0}.tiles{gap:8px}"
    ".bars{--w:8.8em}.card{--w:4.6em}}\n"
    "@media print{body{background:none}figure,.card{break-inside:avoid}}\n";

/** Okabe and Ito's colours, its yellow and black exchanged for hues that can be seen on white and on black. */
static const unsigned char hue[STYLE_HUES][3] = {
    {0x00, 0x72, 0xb2}, {0xe6, 0x9f, 0x00}, {0x00, 0x9e, 0x73}, {0xcc, 0x79, 0xa7},
    {0x56, 0xb4, 0xe9}, {0xd5, 0x5e, 0x00}, {0x9a, 0x8f, 0x1a}, {0x80, 0x68, 0xb8}};

/** Towards white (above 0) or black. */
static const double shade[STYLE_COLOURS / STYLE_HUES] = {0,     0.40, -0.30, 0.22,
                                                         -0.16, 0.52, -0.40, 0.12};

const char *style_look(char look[STYLE_LOOK], int expert)
{
    snprintf(look, STYLE_LOOK, "c%d", expert % STYLE_COLOURS);
    return look;
}

static void put_colour(FILE *out, int i)
{
    const double mix = shade[i / STYLE_HUES];
    fprintf(out, ".c%d{--c:#", i);
    for (int k = 0; k < 3; k++) {
        const double value = hue[i % STYLE_HUES][k];
        fprintf(out, "%02x", (unsigned)lround(value + fabs(mix) * ((mix > 0 ? 255 : 0) - value)));
    }
    fputs("}\n", out);
}

void style_write(FILE *out, int n_experts)
{
    fprintf(out, "<style>\n%s", sheet);
    for (int i = 0; i < n_experts && i < STYLE_COLOURS; i++) {
        put_colour(out, i);
    }
    fputs("</style>\n", out);
}
