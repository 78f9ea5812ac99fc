package app

import (
	"context"
	"slices"
)

// sortUntil sorts, and gives up with the context's error when that ends: to sort millions at a time takes seconds, and the daemon has two to stop.
func sortUntil[T any](ctx context.Context, all []T, compare func(a, b T) int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(all) <= 1<<16 {
		slices.SortFunc(all, compare)
		return nil
	}
	middle := len(all) / 2
	for _, half := range [][]T{all[:middle], all[middle:]} {
		if err := sortUntil(ctx, half, compare); err != nil {
			return err
		}
	}
	left, right, into := slices.Clone(all[:middle]), all[middle:], all
	for len(left) > 0 { // what is left of the right half is in its place
		from := &left
		if len(right) > 0 && compare(right[0], left[0]) < 0 {
			from = &right
		}
		into[0], *from, into = (*from)[0], (*from)[1:], into[1:]
	}
	return nil
}

// often reports whether it is time again to look whether a context has ended, for loops over all users.
func often(i int) bool { return i%4096 == 0 }
