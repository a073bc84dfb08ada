// Package netmanager is the edge to NetworkManager, where a machine has it: it
// tells what NetworkManager holds of each device, and when that changes, and it
// keeps our own devices out of NetworkManager's hands.
//
// Of a device that is not ours it changes one thing, and that only while a provider
// network takes it over: whether NetworkManager has addresses there (Uplinks). In
// particular it sets none of them unmanaged: NetworkManager answers that, for a team
// that it made, by ending teamd, releasing the ports and setting them down, and does
// not undo it when the device is managed again.
//
// Our devices are named in one file of udev rules below /run, which udev reads
// by itself, so that NetworkManager never takes a device that we make later. A
// reboot forgets the file together with the devices. NetworkManager's own
// configuration is not used for that: it would have to be told to read it, and
// would then also read what an operator has left half-done there.
//
// A machine without NetworkManager, or without udev, is quietly nothing: no
// devices, no error. NetworkManager may come, go and be restarted at any time.
package netmanager
