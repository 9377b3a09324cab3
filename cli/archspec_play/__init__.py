"""The playground: a page on this machine in which a spec is edited beside its picture, its costs and its code."""
