package xmpp

import (
	"strings"

	"github.com/zarafa/presence/domain"
)

// deviceName names a device among all devices of its user. Usually it is the resource, which costs the least. If another JID of the user
// can have the same resource, or if it is empty, it is the JID and the resource with a zero byte between them, which neither can contain
// (RFC 7622, 3.2 to 3.4).
type deviceName struct {
	owner    string // the bare JID, or nothing if the resource is enough
	resource string
}

const ownerEnd = "\x00"

func nameDevice(bare string, user domain.UserID, resource string) deviceName {
	if bare == string(user) && resource != "" {
		return deviceName{resource: resource}
	}
	return deviceName{owner: bare, resource: resource}
}

func (n deviceName) len() int {
	if n.owner == "" {
		return len(n.resource)
	}
	return len(n.owner) + len(ownerEnd) + len(n.resource)
}

// is reports whether String would return name, without making that string.
func (n deviceName) is(name string) bool {
	if n.owner == "" {
		return name == n.resource
	}
	owner, resource, _ := strings.Cut(name, ownerEnd)
	return len(name) == n.len() && owner == n.owner && resource == n.resource
}

// String returns the name in memory of its own.
func (n deviceName) String() string {
	if n.owner == "" {
		return strings.Clone(n.resource)
	}
	return n.owner + ownerEnd + n.resource
}

// device is one available device.
type device struct {
	name string
	next uint32 // the next older one of the same contact
}

// devices are all available devices of one connection. Each contact has a list of its own: the index of its newest device, 0 if it is
// empty. There may be two million devices, so they are linked by indexes and not by pointers.
type devices struct {
	all  []device
	free uint32 // the list of those that are not used
}

// take takes a device out of a list and returns its index. If it is not there, it returns 0 and how many others there are.
func (d *devices) take(list *uint32, name deviceName) (i uint32, others int) {
	for link := list; *link != 0; link = &d.all[*link].next {
		if i = *link; name.is(d.all[i].name) {
			*link = d.all[i].next
			return i, 0
		}
		others++
	}
	return 0, others
}

// takeOldest takes the last device out of a list that is not empty.
func (d *devices) takeOldest(list *uint32) uint32 {
	link := list
	for d.all[*link].next != 0 {
		link = &d.all[*link].next
	}
	i := *link
	*link = 0
	return i
}

// takeNewest takes the first device out of a list that is not empty.
func (d *devices) takeNewest(list *uint32) uint32 {
	i := *list
	*list = d.all[i].next
	return i
}

// put puts a device before a list.
func (d *devices) put(list *uint32, i uint32) {
	d.all[i].next = *list
	*list = i
}

// add returns a device that is in no list yet.
func (d *devices) add(name string) uint32 {
	if d.free != 0 {
		i := d.takeNewest(&d.free)
		d.all[i] = device{name: name}
		return i
	}
	if len(d.all) == 0 {
		d.all = append(d.all, device{}) // which is never used
	}
	d.all = append(d.all, device{name: name})
	return uint32(len(d.all) - 1) //nolint:gosec // there is room for far fewer
}

// release ends a device that is in no list.
func (d *devices) release(i uint32) {
	d.all[i] = device{}
	d.put(&d.free, i)
}
