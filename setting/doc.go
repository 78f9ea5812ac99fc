// Package setting holds the types of configuration values that adapters share, inside this repository and outside it: secrets, certificates
// to trust, sizes. A Config struct has fields of these types; the configuration decodes them.
package setting
