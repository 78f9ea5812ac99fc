// Package architecture proves that the linter enforces the import rules of the hexagon. It holds nothing but that test.
package architecture
