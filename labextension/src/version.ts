/** The version of this extension: equal to that of the Python package, which a test holds. */
export const VERSION = '0.1.0';
