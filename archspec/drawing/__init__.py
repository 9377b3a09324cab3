"""Pictures of networks: parts of the graph, laid out on a page, written as SVG, Mermaid or TikZ.

The layout is ours: layered layouts of the libraries (Graphviz, grandalf, ELK) place a net of a hundred layers on a strip a
hundred layers long. A net is a series of steps with a few forks in it, so that it can be laid out exactly as such, and the
series be broken into columns, as a text is on a page.
"""
