"""How a report looks."""

STYLE = """
:root { color-scheme: dark; }
body { background: #1b1c1e; color: #e2e2de; margin: 2rem auto; max-width: 60rem; padding: 0 1rem;
  font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
h3 { font-size: .9rem; font-weight: 500; color: #a9abaf; margin: 1rem 0 .2rem; }
em { font-style: normal; font-size: .85rem; padding: .15rem .5rem; border-radius: 4px;
  background: #4a4c51; } em.finished { background: #3f7a4c; } em.failed { background: #9b3f37; }
.quiet { color: #8c8e92; } .note { border-left: 3px solid #e2b24a; padding-left: .7rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .25rem .7rem
  .25rem 0; border-bottom: 1px solid #34363a; vertical-align: top; overflow-wrap: anywhere; }
th { color: #8c8e92; font-weight: 500; } code { font-size: .7rem; letter-spacing: -.5px; }
img, svg { width: 100%; height: auto; background: #232427; border-radius: 4px; }
svg text { fill: #8c8e92; font-size: 11px; } svg .left { text-anchor: end; }
svg polyline { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
svg .grid { stroke: #34363a; } svg .mark { stroke: #8c8e92; stroke-dasharray: 3 3; }
.key { margin-right: 1rem; color: #c9cac8; } .key i { display: inline-block; width: .8rem;
  height: .8rem; border-radius: 2px; margin-right: .35rem; vertical-align: -1px; }
a { color: #6ab0f3; }
"""
