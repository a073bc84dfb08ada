package uplink

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"

	kubeovnv1 "hawser/api/v1"
	"hawser/internal/host"
)

// behind are the stations of pods that are in a provider network. One that has
// ended has none, although its object is still there.
func behind(pods []corev1.Pod, provider string) host.Behind {
	var out host.Behind
	for i := range pods {
		notes := pods[i].Annotations
		if notes[kubeovnv1.AnnotationProviderNetwork] != provider || ended(&pods[i]) {
			continue
		}
		mac, err := host.ParseMAC(notes[kubeovnv1.AnnotationMACAddress])
		if err != nil {
			continue // the controller has yet to decide
		}
		vlan, _ := strconv.Atoi(notes[kubeovnv1.AnnotationVlanID]) // absent is untagged
		out.Stations = append(out.Stations, host.Station{VLAN: vlan, MAC: mac})
		out.Learn = out.Learn || notes[kubeovnv1.AnnotationLayer2Forward] == "true"
	}
	return out
}

func ended(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}
