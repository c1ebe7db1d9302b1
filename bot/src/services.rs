//! The services of modules, for their own commands.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;

/// A module's service, which the module shares with what it declares.
pub struct Service(TypeId, Arc<dyn Any + Send + Sync>);

impl Service {
    pub fn of<T: Send + Sync + 'static>(service: &Arc<T>) -> Self {
        Self(TypeId::of::<T>(), Arc::clone(service) as _)
    }
}

/// The services of all modules, by type.
#[derive(Default)]
pub struct Services(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

/// A command asks for a service that its module did not declare.
#[derive(Debug, thiserror::Error)]
#[error("no module declares the service {0}")]
pub struct NoService(&'static str);

impl Services {
    /// # Errors
    /// No module declares it: a mistake in the code.
    pub fn get<T: Send + Sync + 'static>(&self) -> Result<Arc<T>, NoService> {
        let found = self.0.get(&TypeId::of::<T>()).map(Arc::clone);
        let found = found.and_then(|service| service.downcast().ok());
        found.ok_or_else(|| NoService(std::any::type_name::<T>()))
    }
}

impl FromIterator<Service> for Services {
    fn from_iter<I: IntoIterator<Item = Service>>(services: I) -> Self {
        let services = services.into_iter();
        Self(
            services
                .map(|Service(kind, service)| (kind, service))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_found_by_its_type() {
        let services: Services = [Service::of(&Arc::new(7_u8))].into_iter().collect();
        assert_eq!(*services.get::<u8>().unwrap(), 7);
        assert!(services.get::<u16>().is_err());
    }
}
