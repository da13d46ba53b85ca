/** A node's name: letters, digits, dot, dash and underscore, safe in file names, metrics labels and URLs. */
export const NODE_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** What a node's name looks like, to follow the word "expected". */
export const NODE_ID_EXPECTED = 'a name of 1 to 63 letters, digits, ".", "_" or "-"';
