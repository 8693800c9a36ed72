"""What there is to tell about an Application, as with Argo CD's notifications."""
