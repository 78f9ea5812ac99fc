package wiring

import (
	"errors"

	"github.com/zarafa/presence/adapters/auth"
	"github.com/zarafa/presence/domain"
)

// Key is an entry of auth.keys.
type Key = auth.Key

// NewKey makes a static key, and sets the entry's hash. It refuses an entry that has a fault, with a line for each.
func NewKey(entry *Key) (key string, err error) {
	faults := make([]error, 0, len(entry.Protocols)+2)
	faults = append(faults, auth.CheckKeyName(entry.Name))
	for _, name := range entry.Protocols {
		_, err := domain.ParseProtocol(name)
		faults = append(faults, err)
	}
	_, err = domain.ParseUserList(entry.Users)
	if err := errors.Join(append(faults, err)...); err != nil {
		return "", err
	}
	key, entry.Hash = auth.NewKey()
	return key, nil
}
