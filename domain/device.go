package domain

import (
	"cmp"
	"fmt"
	"unicode"
	"unicode/utf8"
	"unique"
)

// MaxDeviceID is the longest name of a device that a client may give, in bytes.
const MaxDeviceID = 128

// DeviceID is the name that a client gives the device that it runs on, such as a browser's. It is comparable. Make it with
// ParseDeviceID; the zero value is no device.
//
// Like Protocol it is no larger than a pointer.
type DeviceID struct{ name unique.Handle[string] }

// ParseDeviceID checks a name: printable text. An empty one is the zero value; a fault is an ErrInvalidDevice.
func ParseDeviceID(name string) (DeviceID, error) {
	if name == "" {
		return DeviceID{}, nil
	}
	if len(name) > MaxDeviceID || !utf8.ValidString(name) {
		return DeviceID{}, fmt.Errorf("%w %s: at most %d bytes of UTF-8", ErrInvalidDevice, quote(name), MaxDeviceID)
	}
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return DeviceID{}, fmt.Errorf("%w %s: it contains %q", ErrInvalidDevice, quote(name), r)
		}
	}
	return DeviceID{unique.Make(name)}, nil
}

// String returns the name, empty for the zero value.
func (d DeviceID) String() string {
	if d == (DeviceID{}) {
		return ""
	}
	return d.name.Value()
}

// Compare orders devices by their names.
func (d DeviceID) Compare(e DeviceID) int {
	if d == e {
		return 0
	}
	return cmp.Compare(d.String(), e.String())
}
